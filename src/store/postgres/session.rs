//! Statements on a connection to a PostgreSQL database.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Decode, Row as _, TypeInfo, ValueRef};
use tokio::time::timeout;

use super::options::{Notifications, PostgresOptions};
use crate::store::StoreError;
use crate::store::sql::{
    Access, Connected, Dialect, Pooled, Row, Session, Statements, Transaction, Value, fault,
    too_slow,
};

/// How much longer than the database may take we wait to hear of it.
const ON_THE_WAY: Duration = Duration::from_secs(5);

/// What holds for every transaction.
#[derive(Debug)]
pub(super) struct Limits {
    begin_read: String,
    begin_write: String,
    patience: Duration,
    /// Where to say that something changed, if anywhere.
    channel: Option<String>,
}

impl Limits {
    pub(super) fn new(options: &PostgresOptions, channel: String) -> Self {
        // Set for each transaction and not for the connection: that may be the host's, or one of a
        // pooler that somebody else gets next.
        let millis = options.statement_timeout.as_millis();
        let limits = format!(
            "SET LOCAL statement_timeout = {millis}; SET LOCAL lock_timeout = {millis}; \
             SET LOCAL idle_in_transaction_session_timeout = {millis}"
        );
        let read = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let write = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        let tells = options.notifications == Notifications::On;
        Self {
            begin_read: format!("{read}; {limits}"),
            begin_write: format!("{write}; {limits}"),
            patience: options.statement_timeout.saturating_add(ON_THE_WAY),
            channel: tells.then_some(channel),
        }
    }
}

/// Statements on a connection.
pub(super) struct PgSession<'a, C> {
    connection: C,
    statements: &'a Statements,
    limits: &'a Limits,
    announced: bool,
}

impl<'a, C: Connected<sqlx::Postgres>> PgSession<'a, C> {
    pub(super) const fn new(connection: C, statements: &'a Statements, limits: &'a Limits) -> Self {
        Self { connection, statements, limits, announced: false }
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, access: Access) -> Result<(), StoreError> {
        let begin = match access {
            Access::Read => &self.limits.begin_read,
            Access::Write => &self.limits.begin_write,
        };
        self.raw(begin.clone()).await
    }

    async fn raw(&mut self, script: String) -> Result<(), StoreError> {
        let patience = self.limits.patience;
        let run = sqlx::raw_sql(AssertSqlSafe(script)).execute(self.connection.connection()?);
        in_time(patience, run).await.map(|_| ())
    }

    fn query(
        &self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Query<'static, sqlx::Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.statements.adapted(statement)));
        arguments.iter().fold(query, |query, argument| match argument {
            Value::Int(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_deref()),
        })
    }
}

/// A database that went away without a word must not hold a call forever.
async fn in_time<T>(
    patience: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    timeout(patience, call).await.map_err(|_| too_slow())?.map_err(fault)
}

#[async_trait]
impl<C: Connected<sqlx::Postgres>> Session for PgSession<'_, C> {
    fn dialect(&self) -> Dialect {
        self.statements.dialect()
    }

    async fn rows(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let query = self.query(statement, arguments);
        let patience = self.limits.patience;
        let rows = in_time(patience, query.fetch_all(self.connection.connection()?)).await?;
        rows.iter().map(row).collect::<Result<_, _>>().map_err(fault)
    }

    async fn run(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let query = self.query(statement, arguments);
        let patience = self.limits.patience;
        let done = in_time(patience, query.execute(self.connection.connection()?)).await?;
        Ok(done.rows_affected())
    }

    async fn script(&mut self, script: &'static str) -> Result<(), StoreError> {
        self.raw(self.statements.adapt(script)).await
    }

    async fn announce(&mut self) -> Result<(), StoreError> {
        if self.announced {
            return Ok(());
        }
        if let Some(channel) = &self.limits.channel {
            self.run("SELECT pg_notify($1, '')", &[channel.as_str().into()]).await?;
        }
        self.announced = true;
        Ok(())
    }
}

#[async_trait]
impl Transaction for PgSession<'_, Pooled<sqlx::Postgres>> {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.raw("COMMIT".to_owned()).await?;
        self.connection.ended();
        Ok(())
    }
}

fn row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let cell = |column| {
        let cell = row.try_get_raw(column)?;
        if cell.is_null() {
            return Ok(Value::Text(None));
        }
        let sql_type = cell.type_info();
        let cell = match sql_type.name() {
            "INT8" => <i64 as Decode<'_, sqlx::Postgres>>::decode(cell).map(Value::from),
            "INT4" => <i32 as Decode<'_, sqlx::Postgres>>::decode(cell)
                .map(|number| Value::from(i64::from(number))),
            "INT2" => <i16 as Decode<'_, sqlx::Postgres>>::decode(cell)
                .map(|number| Value::from(i64::from(number))),
            "BOOL" => <bool as Decode<'_, sqlx::Postgres>>::decode(cell)
                .map(|truth| Value::from(i64::from(truth))),
            _ => <String as Decode<'_, sqlx::Postgres>>::decode(cell).map(Value::from),
        };
        cell.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(cell).collect::<Result<_, _>>().map(Row)
}
