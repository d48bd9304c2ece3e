"""An S3 server in memory (moto) with one empty bucket, `lake`; prints its URL and runs until its input closes.

With `--ignore-conditions` it lets `If-None-Match` fall on the floor, as some S3-compatible stores do.
"""

import os
import sys
import threading

os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

ignore_conditions = "--ignore-conditions" in sys.argv[1:]
moto = DomainDispatcherApplication(create_backend_app)


def app(environ, start_response):
    if ignore_conditions:
        environ.pop("HTTP_IF_NONE_MATCH", None)
    return moto(environ, start_response)


class Quiet(MotoRequestHandler):
    def log_request(self, *_):
        pass


server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
url = f"http://127.0.0.1:{server.server_port}"
threading.Thread(target=server.serve_forever, daemon=True).start()
boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="lake")
print(url, flush=True)
sys.stdin.read()
