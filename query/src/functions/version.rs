//! `version()`.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

/// Returns `Tephra <version>`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Version(Signature);

impl Version {
    pub(super) fn new() -> Self {
        Self(Signature::exact(vec![], Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Version {
    fn name(&self) -> &str {
        "version"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::from(concat!("Tephra ", env!("CARGO_PKG_VERSION")))))
    }
}
