"""Lets an exception escape a span, as a traced program does, and sends the trace by OTLP.

Arguments: `grpc` or `http`, the endpoint, the ingest key. Prints the trace's and the span's id.
"""

import sys

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

protocol, endpoint, key = sys.argv[1:4]
if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True, headers=(("authorization", f"Bearer {key}"),))
else:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers={"authorization": f"Bearer {key}"})

results = []
export = exporter.export
exporter.export = lambda batch: results.append(export(batch)) or results[-1]

provider = TracerProvider(resource=Resource.create({"service.name": "billing", "service.version": "1.0.4"}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("billing.jobs")

with tracer.start_as_current_span("quiet"):
    pass
try:
    with tracer.start_as_current_span("invoice") as span:
        context = span.get_span_context()
        raise KeyError("no customer 77")
except KeyError:
    pass

provider.shutdown()
if any(result is not SpanExportResult.SUCCESS for result in results):
    sys.exit(f"exports: {results}")
print(f"{context.trace_id:032x} {context.span_id:016x}")
