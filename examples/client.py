#!/usr/bin/env python3
"""The back end of an app, as far as Reveille goes: one file, nothing but the standard library.

As a module, copied beside your own code:

    from client import Reveille, verify

    reveille = Reveille("https://push.example.com", "rvl_app_...")
    token = reveille.user_token("alice")                          # for alice's app to connect with
    reveille.send("alice", {"text": "Noon?"}, id="order-17")      # stored once it returns
    event = verify("whsec_...", request.headers, request.body)    # in the handler of your webhook

As a command, from the folder that `reveille init` made:

    python3 client.py send --to alice "hello" --wait 60

The server is that of REVEILLE_SERVER, or http://127.0.0.1:7300. The app's key is in REVEILLE_KEY or
the file app.key, the operator's in REVEILLE_ADMIN_KEY or the file reveille-data/admin.key: keys on
a command line can be read by everybody on the machine.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import argparse
import base64
import email.utils
import hashlib
import hmac
import json
import os
import pathlib
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

__all__ = ["Forged", "Refused", "Reveille", "Unreachable", "verify"]

# Answers after which the same request may do better.
PASSING = (429, 500, 502, 503, 504)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Refused(Exception):
    """The server's answer, a problem of RFC 9457. Decide by `code`; docs/problems.md has them all."""

    def __init__(self, status: int, problem: dict):
        self.status = status
        self.code = problem.get("code", "no_problem")
        self.field = problem.get("field")
        self.diagnosis = problem.get("diagnosis")
        super().__init__(f"{self.code}: {problem.get('detail', f'HTTP {status}')}")


class Unreachable(Exception):
    """No answer that settles it, within the time that was given."""


class Forged(Exception):
    """A webhook that is not the server's, or too old."""


class Reveille:
    """One server, by the key of one app; `app` alone wants the operator's key."""

    def __init__(self, server: str, key: str, patience: float = 60.0):
        """`patience`: for how many seconds a request is tried again before it is given up."""
        self.server = server.rstrip("/")
        self.key = key
        self.patience = patience

    def app(self, name: str) -> dict:
        """Makes an app: its `id`, and its `key`, which is shown this once."""
        # Tried once: two requests would be two apps.
        return self._ask("POST", "/v1/apps", {"name": name}, patience=0)

    def user_token(self, user: str, ttl: int | None = None) -> str:
        """What the user's app connects with, for `ttl` seconds; without, for a day."""
        body = {} if ttl is None else {"ttl": ttl}
        return self._ask("POST", f"/v1/users/{quoted(user)}/tokens", body)["token"]

    def send(self, to: str | list[str], body, id: str | None = None, **fields) -> dict:
        """Sends a message, once, however often it has to be said. It is stored when this returns.

        `id` is your own name for it: give it wherever your program may do the same again, after a
        crash for example. `fields` are those of `POST /v1/messages`: `thread`, `ttl`, `push` and so
        on. The answer has the message's `id`, and in `failed` who could not take it.
        """
        to = [to] if isinstance(to, str) else list(to)
        message = {"id": id or str(uuid.uuid4()), "to": to, "body": body, **fields}
        return self._ask("POST", "/v1/messages", message)

    def timeline(self, message: str) -> list[dict]:
        """What happened to a message up to now, in order."""
        return self._ask("GET", f"/v1/messages/{quoted(message)}/timeline")["items"]

    def explain(self, user: str) -> dict:
        """Why a push to a user's devices would not arrive: `conclusion` is the one thing to fix."""
        return self._ask("GET", f"/v1/explain?user={quoted(user)}")

    def events(self, after: int | str = "newest", wait: int = 30):
        """What happens in the app, one after the other and without an end.

        Keep the `number` of an event once you have dealt with it, and begin there the next time:
        nothing is missed then. `newest` is from now on, 0 is all that is kept.
        """
        while True:
            path = f"/v1/events?after={after}" + ("" if after == "newest" else f"&wait={wait}")
            page = self._ask("GET", path, timeout=wait + 10)
            yield from page["items"]
            # `next` is there where there is more; else go on behind the last one seen.
            after = page.get("next") or (page["items"][-1]["number"] if page["items"] else after)

    def _ask(self, method, path, body=None, timeout=15.0, patience=None):
        """One request, again after a pause where that can help, each time the very same."""
        until = time.monotonic() + (self.patience if patience is None else patience)
        pause = FIRST_PAUSE
        while True:
            trouble, wanted = "", 0.0
            try:
                return self._once(method, path, body, timeout)
            except urllib.error.HTTPError as error:
                refused = Refused(error.code, problem_of(error))
                if error.code not in PASSING:
                    raise refused from None
                trouble, wanted = str(refused), retry_after(error.headers)
            except OSError as error:  # urllib's URLError and time-outs are of this kind too.
                trouble = str(getattr(error, "reason", error))
            # Not all at once: many clients may have been turned away together.
            pause_now = max(wanted, pause * random.uniform(0.5, 1.0))
            if time.monotonic() + pause_now > until:
                raise Unreachable(f"{method} {self.server}{path}: {trouble}")
            time.sleep(pause_now)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, method, path, body, timeout):
        request = urllib.request.Request(self.server + path, method=method)
        request.add_header("Authorization", f"Bearer {self.key}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        with OPENER.open(request, timeout=timeout) as answer:
            text = answer.read()
            return json.loads(text) if text else None


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to wherever it leads."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirects)


def verify(secret: str, headers, body: bytes, tolerance: float = 300.0) -> dict:
    """The event of a webhook, if the server made it: Standard Webhooks, docs/webhooks.md.

    `body` is the request's as it came, byte for byte. Answer 2xx once the event is stored where you
    keep it, and keep its `id`: the same event may come again.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    try:
        name, stamp = headers["webhook-id"], headers["webhook-timestamp"]
        signatures = headers["webhook-signature"].split()
        age = abs(time.time() - int(stamp))
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (KeyError, ValueError) as error:
        raise Forged(f"not a webhook, or not a secret: {error}") from None
    if age > tolerance:
        raise Forged(f"its time is {age:.0f} s from ours; is this machine's clock right?")
    signed = b".".join([name.encode(), stamp.encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # Two of them while a secret is being replaced.
    if not any(hmac.compare_digest(one, f"v1,{expected}") for one in signatures):
        raise Forged("no signature is by this secret")
    return json.loads(body)


def quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def problem_of(error: urllib.error.HTTPError) -> dict:
    try:
        problem = json.loads(error.read())
        return problem if isinstance(problem, dict) else {}
    except ValueError:  # What stands in between answers as it likes.
        return {}


def retry_after(headers) -> float:
    """`Retry-After`, which is seconds or a date, as seconds from now."""
    text = headers.get("Retry-After") or ""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


# The command.


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except (Forged, Refused, Unreachable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(description="An app's back end, as a command.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(run, help):
        one = commands.add_parser(run.__name__[4:], help=help)
        one.set_defaults(run=run)
        return one

    app = command(run_app, "make an app, and print its id and key")
    app.add_argument("name")
    token = command(run_token, "print a user token")
    token.add_argument("--user", required=True)
    token.add_argument("--ttl", type=int, metavar="SECONDS")
    send = command(run_send, "send a message, and print its id")
    send.add_argument("--to", required=True, action="append", metavar="USER", help="may come again")
    send.add_argument("--id", help="your own id: sent again it is the same message")
    send.add_argument("--thread", help="the conversation")
    send.add_argument("--title", help="the title of an alert about it")
    send.add_argument("--wait", type=float, default=0, metavar="SECONDS",
                      help="show what happens until a device has acknowledged it")
    send.add_argument("text")
    timeline = command(run_timeline, "show what happened to a message")
    timeline.add_argument("message", metavar="MSG_ID")
    events = command(run_events, "print what happens in the app, one JSON object a line")
    events.add_argument("--after", default="newest", metavar="NUMBER", help="0: all that is kept")
    events.add_argument("--count", type=int, metavar="N", help="end after so many")
    check = command(run_verify, "check a webhook's body on standard input, by the secret in "
                                "REVEILLE_WEBHOOK_SECRET, and print its event")
    for header in ("id", "timestamp", "signature"):
        check.add_argument(f"--{header}", required=True, help=f"the header webhook-{header}")
    return top


def run_app(options):
    app = connect("REVEILLE_ADMIN_KEY", "reveille-data/admin.key").app(options.name)
    print(app["id"], app["key"])


def run_token(options):
    print(connect().user_token(options.user, options.ttl))


def run_send(options):
    reveille = connect()
    fields = {"thread": options.thread} if options.thread else {}
    if options.title:
        fields["push"] = {"title": options.title}
    message = reveille.send(options.to, {"text": options.text}, options.id, **fields)
    print(message["id"], flush=True)
    for one in message.get("failed", []):
        print(f"error: {one['user']}: {one['code']}", file=sys.stderr)
    if options.wait:
        return follow(reveille, message["id"], options.wait)
    return 1 if message.get("failed") else 0


def follow(reveille: Reveille, message: str, patience: float) -> int:
    """Prints a message's steps as they come, until a device has acknowledged it."""
    until, seen = time.monotonic() + patience, 0
    while True:
        items = reveille.timeline(message)
        show(items[seen:])
        seen = len(items)
        if any(item["reason"] == "acked" for item in items):
            return 0
        if time.monotonic() > until:
            print("error: nobody has acknowledged it; `reveille explain` says why", file=sys.stderr)
            return 1
        time.sleep(0.5)


def run_timeline(options):
    show(connect().timeline(options.message))


def show(items):
    for item in items:
        print(item["at"], item.get("device", "-"), item["sentence"], sep="  ", flush=True)


def run_events(options):
    after = options.after if options.after == "newest" else int(options.after)
    for number, event in enumerate(connect().events(after), 1):
        print(json.dumps(event), flush=True)
        if number == options.count:
            return


def run_verify(options):
    secret = os.environ.get("REVEILLE_WEBHOOK_SECRET", "")
    names = ("id", "timestamp", "signature")
    headers = {f"webhook-{name}": getattr(options, name) for name in names}
    print(json.dumps(verify(secret, headers, sys.stdin.buffer.read())))


def connect(variable: str = "REVEILLE_KEY", file: str = "app.key") -> Reveille:
    server = os.environ.get("REVEILLE_SERVER", "http://127.0.0.1:7300")
    key = os.environ.get(variable) or ""
    if not key and pathlib.Path(file).exists():
        key = pathlib.Path(file).read_text().strip()
    if not key:
        sys.exit(f"error: no key; set {variable}, or start where the file {file} is")
    return Reveille(server, key)


if __name__ == "__main__":
    sys.exit(main())
