import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Controller, Get, HttpCode, Module, NotFoundException, Param, Post } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import particle from 'particle'
import { memory } from 'particle/memory'

interface Task {
  _id: string
  title: string
  done: boolean
  note: string
}

const tasks = memory().collection<Task>('tasks')

@Controller()
class TasksController {
  @Get()
  page() {
    return readFileSync(join(import.meta.dirname, 'index.html'), 'utf8')
  }

  @Post('tasks/:id/toggle')
  @HttpCode(204)
  async toggle(@Param('id') id: string) {
    const task = await tasks.findOne({ _id: id })
    if (!task) throw new NotFoundException()
    await tasks.updateOne({ _id: id }, { $set: { done: !task.done } })
  }
}

@Module({ controllers: [TasksController] })
class AppModule {}

await tasks.insertOne({ _id: '1', title: 'Try Nest', done: false, note: 'not for browsers' })
const dataSources = { tasks: { collection: tasks, manifest: { title: true, done: true } } }

const app = await NestFactory.create(AppModule)
// This line mounts Particle.
app.use(particle.middleware({ dataSources }))

const port = Number(process.env.PORT ?? 3000)
await app.listen(port)
console.log(`Open http://localhost:${port}`)
