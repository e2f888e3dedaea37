//! A throw-away database.

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use uuid::Uuid;

/// Empty at first; removed when dropped.
pub struct Database {
    pub pool: PgPool,
    admin: PgConnectOptions,
    name: String,
}

impl Database {
    pub async fn create() -> Self {
        let url = std::env::var("MANMAN_TEST_POSTGRES_URL").expect(
            "MANMAN_TEST_POSTGRES_URL must be the URL of a PostgreSQL to test against; `./dev test` \
             starts one and sets it",
        );
        let admin: PgConnectOptions = url.parse().unwrap();
        let name = format!("test_{}", Uuid::now_v7().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let options = PgPoolOptions::new().max_connections(5);
        let pool = options.connect_lazy_with(admin.clone().database(&name));
        Self { pool, admin, name }
    }

    /// Its address, as the executable is told it.
    pub fn url(&self) -> String {
        self.url_at(self.admin.get_host(), self.admin.get_port())
    }

    /// The same through something that listens elsewhere.
    pub fn url_at(&self, host: &str, port: u16) -> String {
        format!("postgresql://{}@{host}:{port}/{}", self.admin.get_username(), self.name)
    }

    /// Where it is.
    pub fn address(&self) -> (String, u16) {
        (self.admin.get_host().to_owned(), self.admin.get_port())
    }

    /// One value.
    pub async fn value<T>(&self, query: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }

    /// One column.
    pub async fn values<T>(&self, query: &str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(query).fetch_all(&self.pool).await.unwrap()
    }
}

impl Database {
    /// Read models that are filled anew, from the first event on, are the live ones. To be called when nobody writes.
    pub async fn rebuilt_equals_live(&self) {
        let head: i64 = self.value("SELECT position FROM log_head").await;
        let tables = projectors::verify(&self.pool, &projectors::PROJECTIONS, &mut |_| ()).await;
        for table in tables.unwrap() {
            assert_eq!(table.position.0, head);
            assert!(table.is_equal(), "{table:?}");
            let must_have_rows = ["workers", "game_server_instances", "worker_requests"];
            assert!(table.rows > 0 || !must_have_rows.contains(&table.table), "{table:?}");
        }
    }
}

impl Drop for Database {
    /// Also when the test panics; its runtime cannot wait here, so another one does.
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let statement = format!("DROP DATABASE {name} WITH (FORCE)");
            runtime.unwrap().block_on(execute(&admin, &statement));
        });
        if removal.join().is_err() {
            eprintln!("database {} was not removed", self.name);
        }
    }
}

async fn execute(admin: &PgConnectOptions, statement: &str) {
    let mut connection = PgConnection::connect_with(admin).await.unwrap();
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}
