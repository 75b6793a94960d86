//! Statements on a connection to an SQLite file.

use async_trait::async_trait;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Decode, Row as _, TypeInfo, ValueRef};

use crate::store::StoreError;
use crate::store::sql::{
    Connected, Dialect, Pooled, Row, Session, Statements, Transaction, Value, fault,
};

/// Statements on a connection.
pub(super) struct SqliteSession<'a, C> {
    connection: C,
    statements: &'a Statements,
}

impl<'a, C> SqliteSession<'a, C> {
    pub(super) const fn new(connection: C, statements: &'a Statements) -> Self {
        Self { connection, statements }
    }

    fn query(
        &self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Query<'static, sqlx::Sqlite, SqliteArguments> {
        let query = sqlx::query(AssertSqlSafe(self.statements.adapted(statement)));
        arguments.iter().fold(query, |query, argument| match argument {
            Value::Int(number) => query.bind(*number),
            Value::Text(text) => query.bind(text.as_deref()),
        })
    }
}

#[async_trait]
impl<C: Connected<sqlx::Sqlite>> Session for SqliteSession<'_, C> {
    fn dialect(&self) -> Dialect {
        self.statements.dialect()
    }

    async fn rows(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let query = self.query(statement, arguments);
        let rows = query.fetch_all(self.connection.connection()?).await.map_err(fault)?;
        rows.iter().map(row).collect::<Result<_, _>>().map_err(fault)
    }

    async fn run(
        &mut self,
        statement: &'static str,
        arguments: &[Value<'_>],
    ) -> Result<u64, StoreError> {
        let query = self.query(statement, arguments);
        let done = query.execute(self.connection.connection()?).await.map_err(fault)?;
        Ok(done.rows_affected())
    }

    async fn script(&mut self, script: &'static str) -> Result<(), StoreError> {
        let script = sqlx::raw_sql(AssertSqlSafe(self.statements.adapted(script)));
        script.execute(self.connection.connection()?).await.map_err(fault)?;
        Ok(())
    }

    /// There is no other process.
    async fn announce(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Transaction for SqliteSession<'_, Pooled<sqlx::Sqlite>> {
    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.script("COMMIT").await?;
        self.connection.ended();
        Ok(())
    }
}

fn row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let cell = |column| {
        let cell = row.try_get_raw(column)?;
        if cell.is_null() {
            return Ok(Value::Text(None));
        }
        let number = cell.type_info().name() == "INTEGER";
        let cell = if number {
            <i64 as Decode<'_, sqlx::Sqlite>>::decode(cell).map(Value::from)
        } else {
            <String as Decode<'_, sqlx::Sqlite>>::decode(cell).map(Value::from)
        };
        cell.map_err(sqlx::Error::Decode)
    };
    (0..row.len()).map(cell).collect::<Result<_, _>>().map(Row)
}
