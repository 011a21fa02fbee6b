'use client'
import { Client } from 'particle/client'
import { useEffect, useState } from 'react'
import type { options } from '../particle'

export function Users() {
  const [names, setNames] = useState<string[]>([])
  useEffect(() => {
    const client = new Client<typeof options>({
      url: '/api/particle',
      onData: ({ users = [] }) => setNames(users.map((user) => user.name)),
    })
    return () => client.close()
  }, [])
  return <p>{names.join()}</p>
}
