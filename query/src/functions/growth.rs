//! How much a function makes of its arguments, known before it is called.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};

/// The rule by which a value's size follows from the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Growth {
    /// The first argument as often as the second says.
    Times,
    /// As long as the second argument says, or as the first is.
    Length,
    /// The first argument, resized to the second, in elements.
    Elements,
    /// From the first argument to the second by the third.
    Steps,
    /// All arguments behind each other.
    Sum,
    /// All arguments behind each other, the first between any two.
    Joined,
    /// The first argument (a list) with the second between any two elements.
    Delimited,
    /// The first argument with every match of the second replaced by the third.
    Replaced,
    /// The same by a regular expression.
    RegexReplaced,
    /// A few times the arguments.
    Some,
}

/// The functions that make more than they are given.
pub(super) const FUNCTIONS: &[(&str, Growth)] = &[
    ("repeat", Growth::Times),
    ("array_repeat", Growth::Times),
    ("lpad", Growth::Length),
    ("rpad", Growth::Length),
    ("array_resize", Growth::Elements),
    ("range", Growth::Steps),
    ("generate_series", Growth::Steps),
    ("concat", Growth::Sum),
    ("concat_ws", Growth::Joined),
    ("overlay", Growth::Sum),
    ("array_concat", Growth::Sum),
    ("array_append", Growth::Sum),
    ("array_prepend", Growth::Sum),
    ("array_union", Growth::Sum),
    ("make_array", Growth::Sum),
    ("map_concat", Growth::Sum),
    ("array_to_string", Growth::Delimited),
    ("replace", Growth::Replaced),
    ("regexp_replace", Growth::RegexReplaced),
    ("translate", Growth::Some),
    ("to_char", Growth::Some),
    ("encode", Growth::Some),
    ("to_hex", Growth::Some),
    ("upper", Growth::Some),
    ("lower", Growth::Some),
    ("initcap", Growth::Some),
    ("string_to_array", Growth::Some),
    ("array_replace_all", Growth::Replaced),
];

/// The most bytes that `Some` makes of one.
const SOME: usize = 16;

type Args = [(ArrayRef, bool)];

impl Growth {
    /// Whether `bound` is what is made, not merely at most what is made.
    pub(super) fn is_exact(self) -> bool {
        !matches!(self, Self::Replaced | Self::RegexReplaced | Self::Some | Self::Delimited)
    }

    /// The bytes that one row makes at most.
    pub(super) fn bound(self, args: &Args, row: usize) -> Result<usize> {
        let size = |at: usize| args.get(at).map_or(0, |arg| value_size(arg, row));
        let number = |at: usize| args.get(at).map_or(Ok(0), |arg| value_number(arg, row));
        let sum = || (0..args.len()).fold(0, |sum: usize, at| sum.saturating_add(size(at)));
        Ok(match self {
            Self::Times => match args.first().is_some_and(|arg| is_list_like(&arg.0)) {
                // `array_repeat` takes any element; a number is eight bytes.
                true => size(0).max(8).saturating_mul(number(1)?),
                false => size(0).max(usize::from(!is_text(args))).saturating_mul(number(1)?),
            },
            Self::Length => size(0).max(number(1)?.saturating_mul(4)),
            Self::Elements => size(0).max(number(1)?.saturating_mul(size(2).max(8))),
            Self::Steps => steps(args, row)?.saturating_mul(8),
            Self::Sum => sum(),
            Self::Joined => sum().saturating_add(size(0).saturating_mul(args.len())),
            Self::Delimited => size(0).saturating_mul(4).saturating_add((size(0) / 4 + 1).saturating_mul(size(1))),
            Self::Replaced => replaced(args, row),
            Self::RegexReplaced => {
                let (text, with) = (size(0), size(2));
                let captures = args.get(2).map_or(0, |arg| captures(arg, row));
                (text + 1).saturating_mul(with).saturating_add(text.saturating_mul(captures + 1))
            }
            Self::Some => sum().saturating_mul(SOME).max(64),
        })
    }
}

fn is_text(args: &Args) -> bool {
    args.first()
        .is_some_and(|arg| matches!(arg.0.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View))
}

fn is_list_like(array: &ArrayRef) -> bool {
    array.data_type().is_nested() || array.data_type().is_numeric()
}

fn at((array, scalar): &(ArrayRef, bool), row: usize) -> Option<usize> {
    let row = if *scalar { 0 } else { row };
    (row < array.len() && !array.is_null(row)).then_some(row)
}

fn value_text(arg: &(ArrayRef, bool), row: usize) -> Option<&str> {
    let row = at(arg, row)?;
    match arg.0.data_type() {
        DataType::Utf8 => Some(arg.0.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => Some(arg.0.as_string::<i64>().value(row)),
        DataType::Utf8View => Some(arg.0.as_string_view().value(row)),
        _ => None,
    }
}

fn value_size(arg: &(ArrayRef, bool), row: usize) -> usize {
    if let Some(text) = value_text(arg, row) {
        return text.len();
    }
    let Some(row) = at(arg, row) else { return 0 };
    match arg.0.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => 0,
        DataType::Binary => arg.0.as_binary::<i32>().value(row).len(),
        DataType::BinaryView => arg.0.as_binary_view().value(row).len(),
        DataType::List(_) => list_size(&arg.0.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list_size(&arg.0.as_list::<i64>().value(row)),
        _ => 16,
    }
}

fn list_size(list: &ArrayRef) -> usize {
    match list.data_type() {
        // A view's buffers belong to many values.
        DataType::Utf8View => list.as_string_view().views().iter().map(|view| 16 + *view as u32 as usize).sum(),
        _ => list.to_data().get_slice_memory_size().unwrap_or(usize::MAX / 4),
    }
}

fn value_number(arg: &(ArrayRef, bool), row: usize) -> Result<usize> {
    let Some(row) = at(arg, row) else { return Ok(0) };
    let number = cast(&arg.0.slice(row, 1), &DataType::Int64)?;
    let number = number.as_primitive::<Int64Type>().iter().next().flatten();
    Ok(number.map_or(0, |number| usize::try_from(number).unwrap_or(0)))
}

fn replaced(args: &Args, row: usize) -> usize {
    let text = |place: usize| args.get(place).and_then(|arg| value_text(arg, row)).unwrap_or_default();
    let (text, from, to) = (text(0), text(1), text(2));
    let most = if from.is_empty() { text.len() + 1 } else { text.len() / from.len() };
    let bound = text.len().saturating_add(most.saturating_mul(to.len()));
    if bound <= super::VALUE_BYTES_MAX || from.is_empty() {
        return bound;
    }
    text.len().saturating_add(text.matches(from).count().saturating_mul(to.len()))
}

fn captures(arg: &(ArrayRef, bool), row: usize) -> usize {
    value_text(arg, row).map_or(0, |text| text.bytes().filter(|byte| matches!(byte, b'\\' | b'$')).count())
}

/// The number of values from the first to the last by the step.
fn steps(args: &Args, row: usize) -> Result<usize> {
    let values = args.iter().map(|arg| match at(arg, row) {
        Some(row) => Ok(ScalarValue::try_from_array(&arg.0, row)?),
        None => Ok(ScalarValue::Null),
    });
    let values = values.collect::<Result<Vec<_>>>()?;
    steps_between(&values.iter().collect::<Vec<_>>())
}

/// The same of constants.
pub(super) fn steps_between(args: &[&ScalarValue]) -> Result<usize> {
    let value = |place: usize| args.get(place).map_or(Ok(None), |value| scale(value));
    let (start, stop) = match (value(0)?, value(1)?) {
        (Some(stop), None) => (0, stop),
        (Some(start), Some(stop)) => (start, stop),
        _ => return Ok(0),
    };
    // Times step by a day where nothing else is said.
    let step = match (value(2)?, args.first().map(|value| value.data_type())) {
        (Some(step), _) => step,
        (None, Some(DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _))) => DAY,
        (None, _) => 1,
    };
    let count = (stop - start).unsigned_abs() / step.unsigned_abs().max(1) + 1;
    Ok(usize::try_from(count).unwrap_or(usize::MAX / 16))
}

/// Nanoseconds.
const DAY: i128 = 86_400_000_000_000;

/// A number as it is; times and intervals in nanoseconds, months taken as short.
fn scale(value: &ScalarValue) -> Result<Option<i128>> {
    let whole = |unit: &DataType| -> Result<Option<i128>> {
        let number = value.cast_to(unit)?.cast_to(&DataType::Int64)?;
        Ok(match number {
            ScalarValue::Int64(number) => number.map(i128::from),
            _ => None,
        })
    };
    Ok(match value {
        ScalarValue::IntervalMonthDayNano(Some(step)) => {
            Some(i128::from(step.months) * 28 * DAY + i128::from(step.days) * DAY + i128::from(step.nanoseconds))
        }
        ScalarValue::IntervalDayTime(Some(step)) => {
            Some(i128::from(step.days) * DAY + i128::from(step.milliseconds) * 1_000_000)
        }
        ScalarValue::IntervalYearMonth(Some(months)) => Some(i128::from(*months) * 28 * DAY),
        _ => match value.data_type() {
            DataType::Date32 | DataType::Date64 => {
                whole(&DataType::Timestamp(TimeUnit::Second, None))?.map(|seconds| seconds * 1_000_000_000)
            }
            DataType::Timestamp(_, zone) => {
                whole(&DataType::Timestamp(TimeUnit::Second, zone))?.map(|seconds| seconds * 1_000_000_000)
            }
            DataType::Null => Some(0),
            _ => whole(&DataType::Int64)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    fn scalar_text(text: &str) -> (ArrayRef, bool) {
        (Arc::new(StringArray::from(vec![text])), true)
    }

    fn scalar_number(number: i64) -> (ArrayRef, bool) {
        (Arc::new(Int64Array::from(vec![number])), true)
    }

    #[test]
    fn bounds_follow_the_arguments() {
        let check = |growth: Growth, args: &Args, expected: usize| {
            assert_eq!(growth.bound(args, 0).unwrap(), expected, "{growth:?}");
        };
        check(Growth::Times, &[scalar_text("ab"), scalar_number(1_000)], 2_000);
        check(Growth::Times, &[scalar_text("ab"), scalar_number(-1)], 0);
        check(Growth::Times, &[scalar_number(1), scalar_number(200_000_000)], 3_200_000_000);
        check(Growth::Length, &[scalar_text("x"), scalar_number(1_000_000_000)], 4_000_000_000);
        check(Growth::Steps, &[scalar_number(0), scalar_number(100), scalar_number(10)], 88);
        check(Growth::Replaced, &[scalar_text("aaaa"), scalar_text("a"), scalar_text("bb")], 12);
        check(Growth::Sum, &[scalar_text("aaaa"), scalar_text("a")], 5);
    }
}
