//! SQL in a database of either kind.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

/// Runs `sql`, one statement or several, in the database at `url`.
pub async fn execute(url: &str, sql: &str) {
    let sql = sqlx::raw_sql(AssertSqlSafe(sql));
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sql.execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// The one number that a query over the database at `url` gives.
pub async fn number(url: &str, sql: &str) -> u64 {
    let found: i64 = if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        let found = query.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let query = sqlx::query_scalar(AssertSqlSafe(sql));
        let found = query.fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        found
    };
    u64::try_from(found).unwrap()
}
