/** The JavaScript of docs/web.md and of this client's README is of the types that there are. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

const at = (file) => fileURLToPath(new URL(file, import.meta.url));

/** What the snippets take from the app around them. */
const AROUND = `
declare const url: string;
declare const getToken: () => Promise<string>;
declare const button: HTMLButtonElement;
declare const peer: RTCPeerConnection;
declare const offer: RTCSessionDescriptionInit;
declare function importScripts(url: string): void;
declare function hangUp(reason: string): void;
declare function mark(id: string, user: string, state: string): void;
declare function ring(call: import('../reveille.js').Call): void;
declare function show(from: string | undefined, body: unknown): void;
declare function showAndStore(from: any, thread: any, body: unknown): Promise<void>;
declare function store(id: string, from: string | undefined, body: unknown): Promise<void>;
declare global { interface Window { reveilleNotification: (push: any) => unknown } }
`;

/** For a snippet that goes on from one before. */
const CLIENT = "declare const reveille: import('../reveille.js').Reveille;\n";

const OPTIONS = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: [],
};

/** What is wrong with a snippet, each fault with the line that has it. */
function faults(snippet) {
  const code = snippet
    .replaceAll('https://push.example.com/sdk/reveille.js', '../reveille.js')
    .replaceAll("'./reveille.js'", "'../reveille.js'")
    .replaceAll("'reveille-client/node'", "'../node.js'")
    .replaceAll("'reveille-client'", "'../reveille.js'")
    // What an app says of the types of its own messages; here they say nothing.
    .replaceAll(/\(\{ answer \}\) =>/g, '({ answer }: any) =>')
    .replaceAll(/\(candidate\) =>/g, '(candidate: any) =>');
  const file = at('./guide.mts');
  const host = ts.createCompilerHost(OPTIONS);
  const client = /const reveille\b/.test(code) ? '' : CLIENT;
  const text = `export {};\n${AROUND}${client}${code}`;
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, rest[0]) : getSourceFile(name, ...rest);
  const program = ts.createProgram([file], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start }) => {
    const line = text.slice(0, start).split('\n').length - 1;
    return `${text.split('\n')[line]}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}

for (const page of ['../../../docs/web.md', '../README.md']) {
  test(`the snippets of ${page}`, () => {
    const blocks = [...readFileSync(at(page), 'utf8').matchAll(/^```js\n(.*?)^```/gms)];
    assert.ok(blocks.length > 2, `${blocks.length} snippets were found`);
    for (const [, snippet] of blocks) assert.deepEqual(faults(snippet), [], snippet);
  });
}

test('a snippet that asks for what there is not is found', () => {
  const [fault] = faults("reveille.on('massage', () => {});");
  assert.match(fault, /massage/);
});
