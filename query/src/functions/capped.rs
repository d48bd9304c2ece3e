//! A function whose values and batches stay within limits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use super::growth::Growth;
use super::{BATCH_BYTES_MAX, VALUE_BYTES_MAX};
use crate::error::{Error, ErrorKind};

/// Delegates to a function after bounding what it would make, in slices of rows where that is much.
///
/// It does not delegate `simplify`: a function that simplifies itself comes back without its cap.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Capped {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl Capped {
    pub(super) fn new(inner: Arc<ScalarUDF>, growth: Growth) -> Self {
        Self { inner, growth }
    }

    fn value_too_large(&self, bytes: usize) -> Error {
        let name = self.inner.name();
        Error::new(
            ErrorKind::ResourcesExhausted,
            format!("`{name}` would make a value of {bytes} bytes; the limit is {VALUE_BYTES_MAX}"),
        )
    }

    fn batch_too_large(&self) -> Error {
        let name = self.inner.name();
        Error::new(
            ErrorKind::ResourcesExhausted,
            format!("`{name}` would make more than {BATCH_BYTES_MAX} bytes for one batch of rows, which is the limit"),
        )
    }

    /// How many bytes each row makes at most.
    fn bounds(&self, args: &ScalarFunctionArgs) -> Result<Vec<usize>> {
        let rows = match args.args.iter().any(|arg| matches!(arg, ColumnarValue::Array(_))) {
            true => args.number_rows,
            false => 1,
        };
        let arrays = args.args.iter().map(|arg| match arg {
            ColumnarValue::Array(array) => Ok((array.clone(), false)),
            ColumnarValue::Scalar(value) => Ok((value.to_array()?, true)),
        });
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        (0..rows).map(|row| self.growth.bound(&arrays, row)).collect()
    }

    /// What was really made.
    fn check(&self, made: &dyn Array) -> Result<usize> {
        let (largest, total) = sizes(made);
        if largest > VALUE_BYTES_MAX {
            return Err(self.value_too_large(largest).into());
        }
        Ok(total)
    }

    fn in_slices(&self, args: &ScalarFunctionArgs, bounds: &[usize]) -> Result<ColumnarValue> {
        let mut made: Vec<ArrayRef> = Vec::new();
        let (mut start, mut total) = (0, 0);
        while start < bounds.len() {
            let mut length = 1;
            let mut bytes = bounds[start];
            while start + length < bounds.len() && bytes.saturating_add(bounds[start + length]) <= BATCH_BYTES_MAX {
                bytes += bounds[start + length];
                length += 1;
            }
            let mut part = args.clone();
            part.number_rows = length;
            for arg in &mut part.args {
                if let ColumnarValue::Array(array) = arg {
                    *array = array.slice(start, length);
                }
            }
            let values = self.inner.invoke_with_args(part)?.into_array(length)?;
            total += self.check(&values)?;
            if total > BATCH_BYTES_MAX {
                return Err(self.batch_too_large().into());
            }
            made.push(values);
            start += length;
        }
        let parts: Vec<&dyn Array> = made.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

/// The bytes of the largest value and of all.
fn sizes(array: &dyn Array) -> (usize, usize) {
    let offsets = |lengths: &mut dyn Iterator<Item = usize>, scale: usize| {
        lengths.fold((0, 0), |(largest, total), length| (largest.max(length * scale), total + length * scale))
    };
    match array.data_type() {
        DataType::Utf8 => offsets(&mut array.as_string::<i32>().offsets().lengths(), 1),
        DataType::LargeUtf8 => offsets(&mut array.as_string::<i64>().offsets().lengths(), 1),
        DataType::Utf8View => offsets(&mut array.as_string_view().views().iter().map(|view| *view as u32 as usize), 1),
        DataType::List(_) | DataType::LargeList(_) => {
            let total = array.to_data().get_slice_memory_size().unwrap_or(usize::MAX / 2);
            (total / array.len().max(1), total)
        }
        _ => (0, array.to_data().get_slice_memory_size().unwrap_or_default()),
    }
}

impl ScalarUDFImpl for Capped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        Some(ScalarUDF::new_from_impl(Self { inner: Arc::new(inner), growth: self.growth }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bounds = self.bounds(&args)?;
        if self.growth.is_exact()
            && let Some(bytes) = bounds.iter().find(|bytes| **bytes > VALUE_BYTES_MAX)
        {
            return Err(self.value_too_large(*bytes).into());
        }
        if let Some(bytes) = bounds.iter().find(|bytes| **bytes > BATCH_BYTES_MAX) {
            return Err(self.value_too_large(*bytes).into());
        }
        if bounds.iter().fold(0, |sum: usize, bytes| sum.saturating_add(*bytes)) > BATCH_BYTES_MAX {
            return match self.growth.is_exact() {
                true => Err(self.batch_too_large().into()),
                false => self.in_slices(&args, &bounds),
            };
        }
        let made = self.inner.invoke_with_args(args)?;
        match &made {
            ColumnarValue::Array(array) => self.check(array)?,
            ColumnarValue::Scalar(ScalarValue::Utf8(None) | ScalarValue::Null) => 0,
            ColumnarValue::Scalar(value) => self.check(&value.to_array()?)?,
        };
        Ok(made)
    }
}
