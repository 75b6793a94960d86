//! Dates as HTTP writes them (RFC 9110 §5.6.7), in all three forms.

use std::time::Duration;

use time::{Date, Month, Time};

use crate::timestamp::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const FIFTY_YEARS: Duration = Duration::from_secs(50 * 31_556_952);

/// Reads a date. The day of the week says nothing that the date does not, so it is not looked at.
pub(super) fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    let parts: Vec<&str> = text.split_ascii_whitespace().collect();
    match parts.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [_, day, month, year, clock, "GMT"] => at(number(year, 4)?, month, day, clock),
        // Sunday, 06-Nov-94 08:49:37 GMT
        [_, date, clock, "GMT"] => {
            let [day, month, year] = *date.split('-').collect::<Vec<_>>().as_slice() else {
                return None;
            };
            let year = number(year, 2)?;
            let date = at(2000 + year, month, day, clock)?;
            // What seems more than 50 years ahead was meant as the past.
            if date > now.after(FIFTY_YEARS) {
                at(1900 + year, month, day, clock)
            } else {
                Some(date)
            }
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, clock, year] => at(number(year, 4)?, month, day, clock),
        _ => None,
    }
}

fn at(year: u16, month: &str, day: &str, clock: &str) -> Option<Timestamp> {
    let month = MONTHS.iter().zip(1_u8..).find(|(name, _)| **name == month)?.1;
    let day = u8::try_from(number(day, 2)?).ok()?;
    let date = Date::from_calendar_date(year.into(), Month::try_from(month).ok()?, day).ok()?;
    let [hour, minute, second] = *clock.split(':').collect::<Vec<_>>().as_slice() else {
        return None;
    };
    let unit = |text| u8::try_from(number(text, 2)?).ok();
    // A leap second is the last of its minute to us.
    let time = Time::from_hms(unit(hour)?, unit(minute)?, unit(second)?.min(59)).ok()?;
    Some(Timestamp::from_seconds(date.with_time(time).assume_utc().unix_timestamp()))
}

/// A number of at most so many digits.
fn number(text: &str, most: usize) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && text.len() <= most { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn all_three_forms_are_read_rfc_9110_5_6_7() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text, NOW), Some(Timestamp::from_seconds(784_111_777)), "{text}");
        }
    }

    #[test]
    fn a_year_of_two_digits_is_not_more_than_50_years_ahead_rfc_9110_5_6_7() {
        let in_2027 = parse("Friday, 15-Jan-27 08:00:00 GMT", NOW);
        assert_eq!(in_2027, Some(NOW));
        let year = |text| parse(text, NOW).map(|at| at.as_seconds() / 31_556_952 + 1970);
        assert_eq!(year("Friday, 01-Jul-76 00:00:00 GMT"), Some(2076));
        assert_eq!(year("Friday, 01-Jul-78 00:00:00 GMT"), Some(1978));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "soon",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text, NOW), None, "{text}");
        }
    }
}
