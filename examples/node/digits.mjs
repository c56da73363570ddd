// A digit's latent and new digits, with Node alone (18 or later):
//     node examples/node/digits.mjs http://127.0.0.1:8000 docs/seven.png
import { readFile, writeFile } from 'node:fs/promises'

const [url, picture] = process.argv.slice(2)

// The answer, or an error that says what the service says: every problem has a code and a detail.
async function ask(path, options) {
  const response = await fetch(url + path, options)
  if (response.ok) return response
  const { status, code, detail } = await response.json()
  throw new Error(`${status} ${code}: ${detail}`)
}

const latent = await ask('/encode', {
  method: 'POST',
  headers: { 'Content-Type': 'image/png' },
  body: await readFile(picture),
})
const { model, mean } = await latent.json()
console.log(model, 'mean', mean[0].slice(0, 3))

// A form, as a page would send it: one picture a file.
const form = new FormData()
form.append('a', new Blob([await readFile(picture)], { type: 'image/png' }), 'a.png')
form.append('b', new Blob([await readFile(picture)], { type: 'image/png' }), 'b.png')
const { images, mse } = await (await ask('/reconstruct', { method: 'POST', body: form })).json()
console.log('reconstructed', images.length, 'mse', mse)

const wish = { label: 7, count: 16, seed: 1 }
const sevens = await ask('/sample', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', Accept: 'image/png' },
  body: JSON.stringify(wish),
})
await writeFile('sevens.png', Buffer.from(await sevens.arrayBuffer()))
console.log('saved sevens.png')
