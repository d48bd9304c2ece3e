//! Turns hot columns into the table form.

use arrow::array::{AnyDictionaryArray, Array, ArrayRef, AsArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, exec_datafusion_err};
use std::sync::Arc;

use crate::ids::hex_text;

/// One column in the table form. Strings become views of the bytes that the segment holds where most of these are
/// shown, else of a copy of those that are: operators that hold rows back are charged for whole buffers.
pub(crate) fn table_column(hot: &ArrayRef) -> Result<ArrayRef> {
    match hot.data_type() {
        DataType::FixedSizeBinary(_) => hex_text(hot),
        DataType::Utf8 => Ok(Arc::new(StringViewArray::from(hot.as_string::<i32>()))),
        DataType::Dictionary(_, _) => words(hot),
        _ => Ok(hot.clone()),
    }
}

fn words(hot: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = hot
        .as_dictionary_opt::<Int32Type>()
        .ok_or_else(|| exec_datafusion_err!("unexpected dictionary {}", hot.data_type()))?;
    if dictionary.values().len() > dictionary.len() * 2 {
        return Ok(cast(&used_words(dictionary)?, &DataType::Utf8View)?);
    }
    Ok(cast(hot, &DataType::Utf8View)?)
}

/// The dictionary with only the values that occur.
fn used_words(dictionary: &arrow::array::DictionaryArray<Int32Type>) -> Result<ArrayRef> {
    let values = dictionary.values();
    let mut numbers = vec![-1_i32; values.len()];
    let mut used = Vec::new();
    let keys: arrow::array::Int32Array = dictionary
        .keys()
        .iter()
        .map(|key| {
            let at = key? as usize;
            if numbers[at] < 0 {
                numbers[at] = used.len() as i32;
                used.push(at as u32);
            }
            Some(numbers[at])
        })
        .collect();
    let values = arrow::compute::take(values.as_ref(), &arrow::array::UInt32Array::from(used), None)?;
    let compact = arrow::array::DictionaryArray::<Int32Type>::try_new(keys, values)?;
    debug_assert_eq!(compact.keys().len(), dictionary.len());
    Ok(Arc::new(compact))
}

/// The distinct words of a dictionary as a column of the table form, with a NULL behind the last.
pub(super) fn distinct_words(dictionary: &dyn AnyDictionaryArray) -> Result<ArrayRef> {
    let values = cast(dictionary.values(), &DataType::Utf8View)?;
    let null = arrow::array::new_null_array(&DataType::Utf8View, 1);
    Ok(arrow::compute::concat(&[values.as_ref(), null.as_ref()])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, StringArray};

    #[test]
    fn words_are_the_same_whichever_way() {
        let values: ArrayRef = Arc::new(StringArray::from((0..50).map(|n| format!("word {n}")).collect::<Vec<_>>()));
        let keys = arrow::array::Int32Array::from(vec![Some(7), None, Some(49), Some(7)]);
        let hot: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values).unwrap());
        let text = table_column(&hot).unwrap();
        let expected = StringViewArray::from(vec![Some("word 7"), None, Some("word 49"), Some("word 7")]);
        assert_eq!(text.as_string_view(), &expected);
    }
}
