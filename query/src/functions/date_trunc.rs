//! `date_trunc` over UTC by arithmetic.
//!
//! DataFusion truncates times with a zone row by row through a calendar, whatever the zone; ours are all UTC, where a
//! time without a zone truncates to the same.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, FieldRef, TimeUnit, TimestampMicrosecondType};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Delegates to DataFusion's function, without the zone where it is UTC.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DateTrunc(Arc<ScalarUDF>);

impl DateTrunc {
    pub(super) fn new(inner: Arc<ScalarUDF>) -> Self {
        Self(inner)
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.0.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(ColumnarValue::Array(times)) = args.args.get(1) else { return self.0.invoke_with_args(args) };
        let DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) = times.data_type() else {
            return self.0.invoke_with_args(args);
        };
        if !matches!(zone.as_ref(), "UTC" | "Etc/UTC" | "+00:00" | "Z") {
            return self.0.invoke_with_args(args);
        }
        let (zone, times) = (zone.clone(), with_zone(times, None));
        args.args[1] = ColumnarValue::Array(times);
        args.arg_fields[1] = without_zone(&args.arg_fields[1]);
        args.return_field = without_zone(&args.return_field);
        Ok(match self.0.invoke_with_args(args)? {
            ColumnarValue::Array(truncated) => ColumnarValue::Array(with_zone(&truncated, Some(zone))),
            scalar => scalar,
        })
    }

    fn output_ordering(&self, input: &[ExprProperties]) -> Result<SortProperties> {
        self.0.output_ordering(input)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }
}

fn without_zone(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None)))
}

fn with_zone(times: &ArrayRef, zone: Option<Arc<str>>) -> ArrayRef {
    match times.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(times) => Arc::new(times.clone().with_timezone_opt(zone)),
        None => times.clone(),
    }
}
