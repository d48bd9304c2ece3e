"""A mail server as providers run them: TLS by STARTTLS or at once, and no mail without a login.

Prints its port, then each mail that it takes as a line of JSON. Ends with its standard input.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

certificate, key, mode = sys.argv[1:4]
USER, PASSWORD = b"tephra@example.com", b"frost/in@may"


class Mails:
    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode(),
            "tls": session.ssl is not None or mode == "smtps",
            "login": session.authenticated,
        }
        print(json.dumps(mail), flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER, PASSWORD)
    print(json.dumps({"login": right, "tls": session.ssl is not None or mode == "smtps"}), flush=True)
    return AuthResult(success=right, handled=False)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)


def protocol():
    common = {"auth_required": True, "authenticator": authenticate}
    if mode == "smtps":
        # The wire is encrypted already, which aiosmtpd does not look at.
        return SMTP(Mails(), auth_require_tls=False, **common)
    return SMTP(Mails(), tls_context=context, require_starttls=True, **common)


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "smtps" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(serve())
