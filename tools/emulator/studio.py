"""What a studio has beside Muster, on loopback: an issuer of players' tokens, and a listener on the event bus.

    studio.py PORT

    GET /.well-known/openid-configuration, GET /keys    as every OpenID provider has them; RS256, keys made at the start
    GET /token?sub=ann                                  a token for a player, as text; `aud`, `iss`, `exp_s` and `key=stranger` make others
    GET /heard?id=m.duel.eu.1&type=MatchFound           what the bus has said of a match or a ticket: the details, as JSON; waits up to WAIT_S
    GET /listen?queue=URL                               where the bus is heard: an SQS queue
"""

import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import boto3
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "muster"
LIFE_S = 3600
WAIT_S = 20


def text(data):
    """Bytes as tokens and keys write them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """A key pair with a name. The stranger's bears the same name and is in no key set."""

    def __init__(self, url):
        self.url = url
        self.keys = {name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("ours", "stranger")}

    def key_set(self):
        numbers = self.keys["ours"].public_key().public_numbers()
        number = lambda value: text(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        key = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "n": number(numbers.n), "e": number(numbers.e)}
        return {"keys": [key]}

    def token(self, wishes):
        now = int(time.time())
        claims = {"iss": wishes.get("iss", self.url), "aud": wishes.get("aud", AUDIENCE), "sub": wishes["sub"]}
        claims |= {"iat": now - 1, "exp": now + int(wishes.get("exp_s", LIFE_S))}
        parts = [text(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims)]
        signed = ".".join(parts)
        signature = self.keys[wishes.get("key", "ours")].sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{text(signature)}"


class Ear:
    """Everything that the bus has said, in the order in which it was heard."""

    def __init__(self):
        self.events, self.news = [], threading.Condition()

    def listen(self, queue):
        threading.Thread(target=self.hear, args=(queue,), daemon=True).start()

    def hear(self, queue):
        sqs = boto3.client("sqs")
        while True:
            messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            if messages:
                with self.news:
                    self.events += [json.loads(message["Body"]) for message in messages]
                    self.news.notify_all()

    def about(self, identity, kind):
        """Details of events of a type that name this id. Waits for the first."""
        mine = lambda: [e["detail"] for e in self.events if e["detail-type"] == kind and identity in json.dumps(e["detail"])]
        with self.news:
            self.news.wait_for(mine, WAIT_S)
            return mine()


def main():
    port = int(sys.argv[1])
    issuer, ear = Issuer(f"http://127.0.0.1:{port}"), Ear()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body):
            body = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_GET(self):
            url = urlsplit(self.path)
            wishes = {name: values[0] for name, values in parse_qs(url.query).items()}
            match url.path:
                case "/.well-known/openid-configuration":
                    self.answer(200, {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"})
                case "/keys":
                    self.answer(200, issuer.key_set())
                case "/token" if wishes.get("sub"):
                    self.answer(200, issuer.token(wishes))
                case "/heard" if wishes.get("id") and wishes.get("type"):
                    self.answer(200, ear.about(wishes["id"], wishes["type"]))
                case "/listen" if wishes.get("queue"):
                    ear.listen(wishes["queue"])
                    self.answer(200, {})
                case _:
                    self.answer(404, {})

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
