//! What pydantic takes for a whole number and for a truth value.

use serde_json::{Number, Value};

use super::check::Fault;

const INT_TYPE: Fault = ("int_type", "Input should be a valid integer");
const INT_PARSING: Fault =
    ("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
const INT_FROM_FLOAT: Fault =
    ("int_from_float", "Input should be a valid integer, got a number with a fractional part");
const INT_PARSING_SIZE: Fault =
    ("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size");
pub(super) const BOOL_PARSING: Fault =
    ("bool_parsing", "Input should be a valid boolean, unable to interpret input");
const BOOL_TYPE: Fault = ("bool_type", "Input should be a valid boolean");

/// Python refuses to read longer numbers.
const MAX_DIGITS: usize = 4300;

/// A whole number that a client sent. v1 takes numbers of any size and fails later, when the column
/// is too small; what happens to such a number is the endpoint's decision, so it is not an error
/// here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Int(i64);

impl Int {
    /// The number as an id, or `None` if no id can be that large or that small.
    pub fn id(self) -> Option<i32> {
        self.0.try_into().ok()
    }

    /// The number; beyond 64 bits it is the largest or smallest there is.
    pub fn saturated(self) -> i64 {
        self.0
    }
}

impl From<i64> for Int {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

pub(super) fn int_of_json(value: &Value) -> Result<Int, Fault> {
    match value {
        Value::Number(number) => int_of_number(number),
        Value::String(text) => int_of_text(text),
        Value::Bool(truth) => Ok(Int(i64::from(*truth))),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(INT_TYPE),
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a number between the bounds and without a fraction is exact"
)]
fn int_of_number(number: &Number) -> Result<Int, Fault> {
    if number.is_u64() || number.is_i64() {
        return Ok(Int(number.as_i64().unwrap_or(i64::MAX)));
    }
    let float = number.as_f64().ok_or(INT_TYPE)?;
    if float.fract() != 0.0 {
        return Err(INT_FROM_FLOAT);
    }
    if float <= i64::MIN as f64 || float >= i64::MAX as f64 {
        return Err(INT_PARSING_SIZE);
    }
    Ok(Int(float as i64))
}

/// `7`, ` +7 `, `007`, `1_0`, `1.0`. Blanks may surround the number, single underscores may stand
/// between digits, and a fraction may be there if it is all zeros.
pub(super) fn int_of_text(text: &str) -> Result<Int, Fault> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = without_fraction(without_leading_zeros(digits)).ok_or(INT_PARSING)?;
    let well_formed = !digits.starts_with('_')
        && !digits.ends_with('_')
        && !digits.contains("__")
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if digits.is_empty() || !well_formed {
        return Err(INT_PARSING);
    }
    if digits.len() > MAX_DIGITS {
        return Err(INT_PARSING_SIZE);
    }
    let number = digits.bytes().filter(u8::is_ascii_digit).fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Ok(Int(if negative { -number } else { number }))
}

/// After a first zero any run of zeros and underscores goes away; the last character of all stays.
fn without_leading_zeros(digits: &str) -> &str {
    if !digits.starts_with('0') {
        return digits;
    }
    let rest = digits.trim_start_matches(['0', '_']);
    let next = rest.chars().next();
    // Keeps a digit in front of the fraction of `0.0`, and the last one of `00`.
    if next.is_none() || next == Some('.') {
        &digits[digits.len() - rest.len() - 1..]
    } else {
        rest
    }
}

fn without_fraction(number: &str) -> Option<&str> {
    match number.split_once('.') {
        None => Some(number),
        Some((whole, fraction)) => {
            let zeros = !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0');
            zeros.then_some(whole)
        }
    }
}

/// A word for a truth value, in any case. Blanks around it are not accepted.
pub(crate) fn bool_word(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 6]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["1", "true", "t", "yes", "y", "on"]) {
        Some(true)
    } else if is_one_of(["0", "false", "f", "no", "n", "off"]) {
        Some(false)
    } else {
        None
    }
}

pub(super) fn bool_of_json(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) => bool_word(text).ok_or(BOOL_PARSING),
        Value::Number(number) => bool_of_number(number),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(BOOL_TYPE),
    }
}

fn bool_of_number(number: &Number) -> Result<bool, Fault> {
    let whole = match number.as_i64() {
        Some(whole) => whole,
        None if number.is_u64() => return Err(BOOL_TYPE),
        None => int_of_number(number).map_err(|_| BOOL_TYPE)?.0,
    };
    match whole {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BOOL_PARSING),
    }
}
