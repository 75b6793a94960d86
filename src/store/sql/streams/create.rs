//! New streams.

use super::{insert_types, pushed};
use crate::id::Owner;
use crate::outbox::Health;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::store::sql::session::Session;
use crate::store::sql::{issuers, rows, tenants};
use crate::stream::{StreamQuota, StreamRecord};

pub(in super::super) async fn create(
    session: &mut dyn Session,
    record: StreamRecord,
    quota: StreamQuota,
) -> Result<(), StoreError> {
    let issuer_no = issuers::enter(session, &record.issuer).await?;
    tenants::lock(session, issuer_no, &record.owner.tenant).await?;
    if tenants::is_suspended(session, issuer_no, &record.owner).await? {
        return Err(StoreError::Suspended);
    }
    check_quota(session, issuer_no, &record.owner, quota).await?;
    let no = insert(session, issuer_no, &record).await?;
    insert_queue(session, issuer_no, no, &record).await?;
    let counts = "INSERT INTO ssf_subject_counts (stream_no) VALUES ($1)";
    session.run(counts, &[no.into()]).await?;
    insert_types(session, issuer_no, no, &record).await
}

/// Whether there may be one more. Nobody is counted further than that takes.
async fn check_quota(
    session: &mut dyn Session,
    issuer_no: i64,
    owner: &Owner,
    quota: StreamQuota,
) -> Result<(), StoreError> {
    let most_of_tenant = i64::from(quota.tenant.unwrap_or(0));
    let select = "SELECT \
        (SELECT count(*) FROM (SELECT 1 AS one FROM ssf_streams \
            WHERE issuer_no = $1 AND tenant = $2 AND client = $3 LIMIT $4) of_owner), \
        (SELECT count(*) FROM (SELECT 1 AS one FROM ssf_streams \
            WHERE issuer_no = $1 AND tenant = $2 LIMIT $5) of_tenant)";
    let arguments = [
        issuer_no.into(),
        owner.tenant.as_str().into(),
        owner.client.as_str().into(),
        i64::from(quota.receiver).into(),
        most_of_tenant.into(),
    ];
    let counted = session.rows(select, &arguments).await?;
    let counted = counted.first().ok_or(StoreError::NotFound)?;
    if counted.int(0)? >= i64::from(quota.receiver) {
        return Err(StoreError::StreamLimit);
    }
    if quota.tenant.is_some() && counted.int(1)? >= most_of_tenant {
        return Err(StoreError::TenantStreamLimit);
    }
    Ok(())
}

async fn insert(
    session: &mut dyn Session,
    issuer_no: i64,
    record: &StreamRecord,
) -> Result<i64, StoreError> {
    let insert = "INSERT INTO ssf_streams \
        (issuer_no, stream_id, tenant, client, version, generation, status, default_subjects, \
        pushed, record, secret) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
        ON CONFLICT (issuer_no, stream_id) DO NOTHING RETURNING no";
    let secret = rows::secret_text(record);
    let arguments = [
        issuer_no.into(),
        record.stream_id.as_str().into(),
        record.owner.tenant.as_str().into(),
        record.owner.client.as_str().into(),
        rows::number(record.version).into(),
        rows::number(record.generation).into(),
        record.status.as_str().into(),
        record.default_subjects.as_str().into(),
        pushed(record).into(),
        rows::record_text(record)?.into(),
        secret.as_ref().map(Secret::expose).into(),
    ];
    let inserted = session.rows(insert, &arguments).await?;
    inserted.first().ok_or(StoreError::IdTaken)?.int(0)
}

async fn insert_queue(
    session: &mut dyn Session,
    issuer_no: i64,
    no: i64,
    record: &StreamRecord,
) -> Result<(), StoreError> {
    let insert = "INSERT INTO ssf_queues \
        (stream_no, issuer_no, stream_id, host, health, status, set_by, generation, active_at, \
        verification_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
    let arguments = [
        no.into(),
        issuer_no.into(),
        record.stream_id.as_str().into(),
        rows::host(&record.delivery).into(),
        rows::health_text(&Health::default())?.into(),
        record.status.as_str().into(),
        rows::set_by_word(record.status_set_by).into(),
        rows::number(record.generation).into(),
        record.created_at.as_millis().into(),
    ];
    session.run(insert, &arguments).await?;
    Ok(())
}
