//! Rows on their way into a table by `COPY` in binary form: half of what an `INSERT` costs the database.

use domain::Instant;
use sqlx::PgConnection;
use uuid::Uuid;

/// How the rows of a table are written in bulk.
pub(crate) struct Bulk<R> {
    /// The columns, in the order in which they are encoded.
    pub(crate) columns: &'static str,
    /// Encodes one row.
    pub(crate) encode: fn(&R, &mut Encoder),
}

/// Signature, flags, and the length of an extension that is not there.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Bytes that are sent at once.
const PIECE: usize = 60_000;
/// Microseconds from 1970 to 2000, from where PostgreSQL counts.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The type of `text`, as an array of them names it.
const TEXT: i32 = 25;

impl<R> Bulk<R> {
    /// Writes rows that the table does not know.
    pub(crate) async fn write(
        &self,
        connection: &mut PgConnection,
        table: &str,
        rows: &[&R],
    ) -> sqlx::Result<()> {
        let columns = self.columns;
        let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = connection.copy_in_raw(&statement).await?;
        let mut encoder = Encoder { bytes: HEADER.to_vec() };
        let count = i16::try_from(columns.split(',').count()).unwrap_or(i16::MAX);
        for row in rows {
            encoder.bytes.extend_from_slice(&count.to_be_bytes());
            (self.encode)(row, &mut encoder);
            if encoder.bytes.len() > PIECE {
                copy.send(encoder.bytes.as_slice()).await?;
                encoder.bytes.clear();
            }
        }
        encoder.bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        copy.send(encoder.bytes.as_slice()).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// Puts the values of rows one behind the other, each with its length before it.
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn int(&mut self, value: Option<i32>) {
        self.value(value.map(i32::to_be_bytes));
    }

    pub(crate) fn bigint(&mut self, value: Option<i64>) {
        self.value(value.map(i64::to_be_bytes));
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.value(Some([u8::from(value)]));
    }

    pub(crate) fn text(&mut self, value: Option<&str>) {
        self.value(value);
    }

    pub(crate) fn uuid(&mut self, value: Option<Uuid>) {
        self.value(value.map(Uuid::into_bytes));
    }

    pub(crate) fn instant(&mut self, value: Option<Instant>) {
        self.bigint(value.map(|at| at.timestamp_micros() - POSTGRES_EPOCH));
    }

    pub(crate) fn texts(&mut self, values: Option<&[String]>) {
        let Some(values) = values else { return self.value(None::<&[u8]>) };
        let start = self.bytes.len();
        self.raw(0);
        self.raw(i32::from(!values.is_empty()));
        self.raw(0);
        self.raw(TEXT);
        if !values.is_empty() {
            self.raw(length(values.len()));
            self.raw(1);
        }
        for value in values {
            self.value(Some(value));
        }
        let size = length(self.bytes.len() - start - 4);
        self.bytes[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    fn value(&mut self, value: Option<impl AsRef<[u8]>>) {
        match value {
            Some(value) => {
                self.raw(length(value.as_ref().len()));
                self.bytes.extend_from_slice(value.as_ref());
            }
            None => self.raw(-1),
        }
    }

    fn raw(&mut self, number: i32) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }
}

/// PostgreSQL has no longer values; it refuses one whose length is not what it says.
fn length(bytes: usize) -> i32 {
    i32::try_from(bytes).unwrap_or(i32::MAX)
}
