"""Node's own fetch, and axios."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import lacking, program, run
from tests.support.sockets import Answer

FETCH = """
const [url, picture] = process.argv.slice(2);
const content = await (await import('node:fs/promises')).readFile(picture);
const form = new FormData();
form.append('file', new Blob([content], {type: 'image/png'}), 'a.png');
const headers = {'Content-Type': 'image/png'};
const stream = new Blob([content]).stream();
const bodies = [
    {body: content, headers}, {body: form}, {body: new Blob([content], {type: 'image/png'})},
    {body: stream, headers, duplex: 'half'},
];
const answers = [];
for (const body of bodies) {
    const answer = await fetch(url + '/encode', {method: 'POST', ...body});
    answers.push(await answer.text());
}
const refused = await fetch(url + '/encode', {method: 'POST', body: new Uint8Array(30 << 20), headers});
const head = await fetch(url + '/sample', {method: 'HEAD'});
console.log(JSON.stringify({answers, refused: (await refused.json()).code, head: head.status}));
"""

AXIOS = """
const axios = require('axios');
const fs = require('node:fs');
const [url, picture] = process.argv.slice(2);
(async () => {
    const content = fs.readFileSync(picture);
    const headers = {'Content-Type': 'image/png'};
    const options = {responseType: 'text', transformResponse: text => text};
    const answers = [
        (await axios.post(url + '/encode', content, {headers, ...options})).data,
        (await axios.postForm(url + '/encode', {file: fs.createReadStream(picture)}, options)).data,
        (await axios.post(url + '/encode', fs.createReadStream(picture), {headers, ...options})).data,
    ];
    const large = {headers, maxRedirects: 0, validateStatus: null};
    const refused = await axios.post(url + '/encode', Buffer.alloc(30 << 20), large);
    const head = await axios.head(url + '/sample');
    console.log(JSON.stringify({answers, refused: refused.data.code, head: head.status}));
})();
"""


@pytest.fixture(scope="module")
def node() -> str:
    return program("node")


def assert_understood(printed: str, encoded: Answer) -> None:
    found = json.loads(printed)
    assert {answer.encode() for answer in found["answers"]} == {encoded.body}
    assert (found["refused"], found["head"]) == ("body_too_large", 200)


def test_fetch(node: str, address: str, encoded: Answer, picture: Path) -> None:
    assert_understood(run(node, "--input-type=module", "-", address, str(picture), text=FETCH), encoded)


def test_axios(node: str, address: str, encoded: Answer, picture: Path) -> None:
    if subprocess.run([node, "-e", "require.resolve('axios')"], capture_output=True, check=False).returncode:
        lacking("axios, found by NODE_PATH,")
    assert_understood(run(node, "-", address, str(picture), text=AXIOS), encoded)
