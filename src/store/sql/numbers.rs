//! Numbers that only grow: of turns and of claims.

use super::dialect::Dialect;
use super::session::Session;
use crate::store::StoreError;

/// Draws that many numbers, each higher than all that were drawn before.
pub(super) async fn draw(
    session: &mut dyn Session,
    count: usize,
) -> Result<std::vec::IntoIter<i64>, StoreError> {
    if count == 0 {
        return Ok(Vec::new().into_iter());
    }
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let numbers = match session.dialect() {
        Dialect::Postgres => {
            let statement = "SELECT nextval('ssf_turns') FROM generate_series(1::bigint, $1)";
            let rows = session.rows(statement, &[count.into()]).await?;
            rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?
        }
        Dialect::Sqlite => {
            let statement =
                "UPDATE ssf_counters SET last = last + $1 WHERE name = 'turns' RETURNING last";
            let rows = session.rows(statement, &[count.into()]).await?;
            let last = rows.first().map_or(Ok(0), |row| row.int(0))?;
            (last - count + 1..=last).collect()
        }
    };
    Ok(numbers.into_iter())
}
