"""What `client.py` does with answers that no good server gives on demand, and with webhooks.

`python3 -m unittest` in this folder; `cargo xtask test` runs it too.

SPDX-License-Identifier: Apache-2.0
"""

import ast
import base64
import hashlib
import hmac
import http.server
import pathlib
import threading
import time
import unittest
from unittest import mock

import client
from client import Forged, Refused, Reveille, Unreachable, verify

FOUND = (200, {}, b'{"id": "msg_1"}')


class Server:
    """Answers what it was told, one after the other, and keeps what it was asked."""

    def __init__(self, *answers):
        self.asked, answers = [], list(answers)
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append((self.path, self.headers["Authorization"], body))
                status, headers, text = answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Asking(unittest.TestCase):
    def setUp(self):
        # Pauses are looked at, and not waited for.
        sleep = mock.patch.object(client.time, "sleep")
        self.pauses = sleep.start()
        self.addCleanup(sleep.stop)

    def paused(self):
        return [call.args[0] for call in self.pauses.call_args_list]

    def test_what_may_pass_is_asked_again_word_for_word(self):
        date = "Thu, 01 Jan 1970 00:00:00 GMT"
        with Server(
            (503, {"Retry-After": "7"}, b""), (429, {"Retry-After": date}, b"{}"),
            (502, {}, b"<html>no problem</html>"), FOUND,
        ) as server:
            sent = Reveille(server.url, "rvl_app_x").send("alice", {"text": "hi"}, thread="lunch")
        self.assertEqual(sent, {"id": "msg_1"})
        self.assertEqual(len(server.asked), 4)
        self.assertEqual(len(set(server.asked)), 1, "with the id that it was given first")
        self.assertIn(b'"id": ', server.asked[0][2])
        first, *others = self.paused()
        self.assertGreaterEqual(first, 7, "as long as the server says")
        self.assertTrue(all(pause < 7 for pause in others), others)

    def test_a_refusal_is_final_and_says_why(self):
        problem = b'{"code": "invalid_field", "field": "to", "detail": "give users", "diagnosis": 913}'
        with Server((422, {}, problem)) as server:
            with self.assertRaises(Refused) as raised:
                Reveille(server.url, "rvl_app_x").send([], 1)
        refused = raised.exception
        self.assertEqual((refused.status, refused.code, refused.field, refused.diagnosis),
                         (422, "invalid_field", "to", 913))
        self.assertEqual(str(refused), "invalid_field: give users")

    def test_the_key_follows_no_redirect(self):
        with Server(FOUND) as other:
            with Server((307, {"Location": other.url}, b"")) as server:
                with self.assertRaises(Refused):
                    Reveille(server.url, "rvl_app_x").timeline("msg_1")
            self.assertEqual(other.asked, [])

    def test_it_is_given_up_in_the_end(self):
        with Server() as gone:
            pass
        reveille = Reveille(gone.url, "rvl_app_x", patience=0)
        with self.assertRaises(Unreachable) as raised:
            reveille.user_token("alice")
        self.assertIn("/v1/users/alice/tokens", str(raised.exception))

    def test_an_app_is_made_once(self):
        with Server((503, {}, b""), FOUND) as server:
            with self.assertRaises(Unreachable):
                Reveille(server.url, "rvl_admin_x").app("Clinic")
        self.assertEqual(len(server.asked), 1)

    def test_events_go_on_where_the_last_one_was(self):
        page = b'{"items": [{"number": 7}, {"number": 9}]}'
        with Server((200, {}, b'{"items": [], "next": "4"}'), (200, {}, page), (200, {}, page)) as server:
            events = Reveille(server.url, "rvl_app_x").events()
            self.assertEqual([next(events)["number"] for _ in range(3)], [7, 9, 7])
        asked = [path.split("?")[1] for path, *_ in server.asked]
        self.assertEqual(asked, ["after=newest", "after=4&wait=30", "after=9&wait=30"])

    def test_a_name_in_a_path_is_a_name(self):
        with Server((200, {}, b'{"token": "rvl_user_x"}')) as server:
            Reveille(server.url, "rvl_app_x").user_token("a/b?c")
        self.assertEqual(server.asked[0][0], "/v1/users/a%2Fb%3Fc/tokens")


class Webhooks(unittest.TestCase):
    key = b"0123456789abcdef0123456789abcdef"
    secret = "whsec_" + base64.b64encode(key).decode()
    body = b'{"id": "evt_1"}'

    def signature(self, stamp, key=key):
        text = b".".join([b"evt_1", str(stamp).encode(), self.body])
        return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()

    def headers(self, stamp, signature):
        return {"Webhook-Id": "evt_1", "Webhook-Timestamp": str(stamp), "Webhook-Signature": signature}

    def test_the_servers_own_is_taken(self):
        now = int(time.time())
        both = self.signature(now, b"the one before") + " " + self.signature(now)
        for signature in (self.signature(now), both):
            event = verify(self.secret, self.headers(now, signature), self.body)
            self.assertEqual(event, {"id": "evt_1"})

    def test_anything_else_is_forged(self):
        now = int(time.time())
        good, old = self.signature(now), now - 301
        for what, secret, headers, body in (
            ("another body", self.secret, self.headers(now, good), self.body + b" "),
            ("another secret", self.secret, self.headers(now, self.signature(now, b"x")), self.body),
            ("another time", self.secret, self.headers(now - 1, good), self.body),
            ("old", self.secret, self.headers(old, self.signature(old)), self.body),
            ("another version", self.secret, self.headers(now, good.replace("v1", "v2")), self.body),
            ("no signature", self.secret, {"webhook-id": "evt_1", "webhook-timestamp": now}, self.body),
            ("no number", self.secret, self.headers("soon", good), self.body),
            ("no secret", "whsec_?", self.headers(now, good), self.body),
        ):
            with self.subTest(what), self.assertRaises(Forged):
                verify(secret, headers, body)


class Source(unittest.TestCase):
    def test_it_is_python_3_9(self):
        ast.parse(pathlib.Path(client.__file__).read_text(), feature_version=(3, 9))


if __name__ == "__main__":
    unittest.main()
