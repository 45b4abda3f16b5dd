/** `reveille demo --lab`: a server, the push services and phones, with the lab and the messenger. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { BINARY, ENVIRONMENT } from './harness.js';

export class Demo {
  #child;
  #code;

  /** The console's, once somebody has set it. */
  password = 'correct horse battery staple';

  /** Ready once it has said where everything is. */
  static async start() {
    const demo = new Demo();
    demo.#child = spawn(BINARY, ['demo', '--lab', '--lab-listen', '127.0.0.1:0'], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said = [];
    for await (const line of createInterface({ input: demo.#child.stdout })) {
      said.push(line);
      const [, name, url, rest] =
        line.match(/^ *(lab|messenger|console) +(http:[/][/]\S+) *(.*)/) ?? [];
      if (name) demo[name] = url;
      if (name === 'console') {
        demo.inside = new URL(url).origin;
        demo.#code = rest.replace(/^code in /, '');
        break;
      }
    }
    // What it says later is read, and dropped: a full pipe would stop it.
    demo.#child.stdout.resume();
    if (!demo.inside) throw new Error(`the demo did not start:\n${said.join('\n')}`);
    return demo;
  }

  /** What lets somebody set it. */
  code() {
    return readFileSync(this.#code, 'utf8').trim();
  }

  /** In good order, so that its server ends with it. */
  async end() {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }
}
