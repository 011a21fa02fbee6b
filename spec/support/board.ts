import type { Locator, Page } from 'playwright-core'
import { until } from './demo.ts'

/** The demo's page, in the words of its users. */
export class BoardPage {
  readonly page: Page

  constructor(page: Page) {
    this.page = page
    page.setDefaultTimeout(10_000)
  }

  /** Opens it, and waits until both panes are live and hold the first team. */
  async open(url: string): Promise<void> {
    await this.page.goto(url)
    for (const user of ['ada', 'ben']) {
      await this.status(user, 'Live')
      await this.person(user, 'Ben Ito').waitFor({ state: 'attached' })
    }
  }

  pane(user: string): Locator {
    return this.page.locator(`.pane[data-user="${user}"]`)
  }

  person(user: string, name: string): Locator {
    return this.pane(user)
      .locator('.person')
      .filter({ has: this.page.getByLabel(`To-dos of ${name}`) })
  }

  /** The names of the people in a pane, from the top. */
  async names(user: string): Promise<(string | undefined)[]> {
    return await this.pane(user)
      .locator('.todos')
      .evaluateAll((lists) =>
        lists.map((list) => list.getAttribute('aria-label')?.slice('To-dos of '.length)),
      )
  }

  todo(user: string, title: string): Locator {
    return this.pane(user).locator('.todo').filter({ hasText: title })
  }

  box(user: string, title: string): Locator {
    return this.todo(user, title).getByRole('checkbox')
  }

  team(user: string, name: string): Locator {
    return this.pane(user).getByRole('button', { name, exact: true })
  }

  async addTodo(user: string, name: string, title: string): Promise<void> {
    const input = this.person(user, name).getByLabel(`New to-do for ${name}`)
    await input.fill(title)
    await input.press('Enter')
    await this.todo(user, title).waitFor()
  }

  /** Waits until the pane says so. */
  async status(user: string, text: string): Promise<void> {
    await until(
      `${user} is ${text}`,
      async () => (await this.pane(user).locator('.status-text').textContent()) === text,
    )
  }
}
