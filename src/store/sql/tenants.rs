//! Tenants, and which of their receivers are suspended.

use super::session::Session;
use crate::id::{Owner, TenantId};
use crate::store::StoreError;

/// Locks a tenant, so that what is counted and whether somebody is suspended stays as it is.
pub(super) async fn lock(
    session: &mut dyn Session,
    issuer_no: i64,
    tenant: &TenantId,
) -> Result<(), StoreError> {
    let arguments = [issuer_no.into(), tenant.as_str().into()];
    let insert =
        "INSERT INTO ssf_tenants (issuer_no, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    session.run(insert, &arguments).await?;
    let lock = "SELECT tenant FROM ssf_tenants WHERE issuer_no = $1 AND tenant = $2 {lock}";
    session.rows(lock, &arguments).await?;
    Ok(())
}

/// Whether a receiver is suspended.
pub(super) async fn is_suspended(
    session: &mut dyn Session,
    issuer_no: i64,
    owner: &Owner,
) -> Result<bool, StoreError> {
    let select = "SELECT client FROM ssf_suspensions \
        WHERE issuer_no = $1 AND tenant = $2 AND client = $3";
    let arguments = [issuer_no.into(), owner.tenant.as_str().into(), owner.client.as_str().into()];
    Ok(!session.rows(select, &arguments).await?.is_empty())
}

/// Suspends a receiver.
pub(super) async fn suspend(
    session: &mut dyn Session,
    issuer_no: i64,
    owner: &Owner,
) -> Result<(), StoreError> {
    lock(session, issuer_no, &owner.tenant).await?;
    let insert = "INSERT INTO ssf_suspensions (issuer_no, tenant, client) VALUES ($1, $2, $3) \
        ON CONFLICT DO NOTHING";
    let arguments = [issuer_no.into(), owner.tenant.as_str().into(), owner.client.as_str().into()];
    session.run(insert, &arguments).await?;
    Ok(())
}

/// Lifts a suspension.
pub(super) async fn resume(
    session: &mut dyn Session,
    issuer_no: i64,
    owner: &Owner,
) -> Result<(), StoreError> {
    let delete = "DELETE FROM ssf_suspensions \
        WHERE issuer_no = $1 AND tenant = $2 AND client = $3";
    let arguments = [issuer_no.into(), owner.tenant.as_str().into(), owner.client.as_str().into()];
    session.run(delete, &arguments).await?;
    Ok(())
}
