//! The numbers of issuers. Every row carries the number of its issuer.

use super::session::Session;
use crate::id::Issuer;
use crate::store::StoreError;

/// The number of an issuer; `None` before anything is stored for it.
pub(super) async fn find(
    session: &mut dyn Session,
    issuer: &Issuer,
) -> Result<Option<i64>, StoreError> {
    let select = "SELECT no FROM ssf_issuers WHERE issuer = $1";
    let rows = session.rows(select, &[issuer.as_str().into()]).await?;
    rows.first().map(|row| row.int(0)).transpose()
}

/// The number of an issuer, which is entered when it is new.
pub(super) async fn enter(session: &mut dyn Session, issuer: &Issuer) -> Result<i64, StoreError> {
    if let Some(known) = find(session, issuer).await? {
        return Ok(known);
    }
    let insert = "INSERT INTO ssf_issuers (issuer) VALUES ($1) ON CONFLICT (issuer) DO NOTHING";
    session.run(insert, &[issuer.as_str().into()]).await?;
    find(session, issuer).await?.ok_or(StoreError::Conflict)
}
