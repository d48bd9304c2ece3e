"""Sends logs as a program does that uses Python's logging and the OpenTelemetry SDK.

Arguments: `grpc` or `http`, the endpoint, the ingest key. Exits with 1 when an export failed.
"""

import logging
import sys

from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

protocol, endpoint, key = sys.argv[1:4]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(endpoint=endpoint, insecure=True, headers=(("authorization", f"Bearer {key}"),))
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    exporter = OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", headers={"authorization": f"Bearer {key}"})

results = []
export = exporter.export
exporter.export = lambda batch: results.append(export(batch)) or results[-1]

provider = LoggerProvider(
    resource=Resource.create(
        {
            "service.name": "checkout",
            "service.version": "2.7.1",
            "deployment.environment.name": "production",
            "host.name": "web-3",
            "team": "payments",
        }
    )
)
provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
logger = logging.getLogger("shop.cart")
logger.propagate = False
logger.setLevel(logging.DEBUG)
logger.addHandler(LoggingHandler(logger_provider=provider))


def charge(order):
    raise ValueError(f"card of order {order} was declined")


logger.info("cart %s opened", 17, extra={"user.id": "u-42", "session.id": "s-7", "coupon": "SPRING"})
logger.warning("stock is low: %d left", 3)
try:
    charge(1009)
except ValueError:
    logger.exception("could not charge order %d", 1009, extra={"user.id": "u-42"})

provider.shutdown()
if len(results) != 3 or any(result is not LogRecordExportResult.SUCCESS for result in results):
    sys.exit(f"exports: {results}")
