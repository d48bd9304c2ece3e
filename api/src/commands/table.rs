//! Rows as an aligned table for people: numbers to the right, line breaks and long texts marked.

use std::fmt::Write;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Where a text is cut if somebody watches.
pub(super) const CELL_CHARS_MAX: usize = 80;

/// Draws the rows; texts longer than `cell_chars_max` are cut, where there is such a limit.
pub(super) fn draw(
    schema: &SchemaRef,
    rows: &[RecordBatch],
    cell_chars_max: Option<usize>,
) -> Result<String, ArrowError> {
    let options = FormatOptions::default().with_null("NULL").with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.6fZ"));
    let mut columns: Vec<Vec<String>> = schema.fields().iter().map(|field| vec![cell(field.name(), None)]).collect();
    for batch in rows {
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
            for row in 0..batch.num_rows() {
                column.push(cell(&formatter.value(row).try_to_string()?, cell_chars_max));
            }
        }
    }
    let widths: Vec<usize> =
        columns.iter().map(|column| column.iter().map(|text| width(text)).max().unwrap_or(0)).collect();
    let mut out = String::new();
    let height = columns.first().map_or(0, Vec::len);
    for row in 0..height {
        let mut line = String::new();
        for (number, column) in columns.iter().enumerate() {
            let (text, pad) = (&column[row], widths[number] - width(&column[row]));
            let right = row > 0 && is_number(schema.field(number).data_type());
            let (before, after) = if right { (pad, 0) } else { (0, pad) };
            let _ = write!(line, " {:before$}{text}{:after$} ", "", "");
            if number + 1 < columns.len() {
                line.push('│');
            }
        }
        let _ = writeln!(out, "{}", line.trim_end());
        if row == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            let _ = writeln!(out, "{}", rule.join("┼"));
        }
    }
    Ok(out)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// One line without control characters, which could move a terminal's cursor.
fn cell(text: &str, chars_max: Option<usize>) -> String {
    let plain = text.chars().map(|c| match c {
        '\n' => '⏎',
        '\t' => ' ',
        c if c.is_control() => '·',
        c => c,
    });
    match chars_max {
        Some(max) if text.chars().count() > max => plain.take(max.saturating_sub(1)).chain(['…']).collect(),
        _ => plain.collect(),
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric() || matches!(data_type, DataType::Dictionary(_, value) if value.is_numeric())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn columns_align() {
        let columns: [(&str, ArrayRef); 2] = [
            ("level", Arc::new(StringArray::from(vec![Some("error"), None, Some("a\nb\u{1b}[0m")]))),
            ("n", Arc::new(Int64Array::from(vec![12, 3, 400]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let text = draw(&batch.schema(), &[batch], Some(8)).unwrap();
        let expected = " level   │ n\n─────────┼─────\n error   │  12\n NULL    │   3\n a⏎b·[0m │ 400\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_texts_are_cut_where_somebody_watches() {
        assert_eq!(cell("abcdef", Some(4)), "abc…");
        assert_eq!(cell("abcdef", None), "abcdef");
    }
}
