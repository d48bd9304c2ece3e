// A program with the OpenTelemetry SDK that sends its logs: `otel.mjs grpc|http ENDPOINT KEY`. Exits with 1 when an export failed.

import { SeverityNumber } from "@opentelemetry/api-logs";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";

const [protocol, endpoint, key] = process.argv.slice(2);
// The one way to give headers that both exporters share.
process.env.OTEL_EXPORTER_OTLP_HEADERS = `authorization=${encodeURIComponent(`Bearer ${key}`)}`;
const { OTLPLogExporter } =
  protocol === "grpc"
    ? await import("@opentelemetry/exporter-logs-otlp-grpc")
    : await import("@opentelemetry/exporter-logs-otlp-proto");
const exporter = new OTLPLogExporter({ url: protocol === "grpc" ? endpoint : `${endpoint}/v1/logs` });

const results = [];
const send = exporter.export.bind(exporter);
exporter.export = (records, done) =>
  send(records, (result) => {
    results.push(result);
    done(result);
  });

const provider = new LoggerProvider({
  resource: defaultResource().merge(
    resourceFromAttributes({
      "service.name": "checkout",
      "service.version": "2.7.1",
      "deployment.environment.name": "production",
      "host.name": "web-3",
      team: "payments",
    }),
  ),
  processors: [new SimpleLogRecordProcessor({ exporter })],
});
const logger = provider.getLogger("shop.cart");

function charge(order) {
  throw new TypeError(`card of order ${order} was declined`);
}

logger.emit({
  severityNumber: SeverityNumber.INFO,
  severityText: "INFO",
  body: "cart 17 opened",
  attributes: { "user.id": "u-42", "session.id": "s-7", coupon: "SPRING" },
});
try {
  charge(1009);
} catch (error) {
  logger.emit({
    severityNumber: SeverityNumber.ERROR,
    severityText: "ERROR",
    body: "could not charge order 1009",
    attributes: {
      "exception.type": error.name,
      "exception.message": error.message,
      "exception.stacktrace": error.stack,
      "user.id": "u-42",
    },
  });
}
await provider.forceFlush();
await provider.shutdown();
if (results.length !== 2 || results.some((result) => result.code !== 0)) {
  console.error("exports:", results);
  process.exit(1);
}
