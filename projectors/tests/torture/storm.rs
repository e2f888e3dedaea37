//! The writers. Of ten commits one is rolled back: a race that is lost, or a transaction that changes its mind. Beside
//! them transactions write an event, stay open for a while, and then commit, roll back or are cut off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::task::JoinSet;
use uuid::Uuid;

const WRITERS: u32 = 64;
/// One in so many is rolled back.
const ROLLED_BACK: u32 = 10;
/// A transaction is parked whenever so many events more were committed, and so often at most.
const PARKED_EVERY: usize = 1_000;
const MOST_PARKED: usize = 200;
/// For how long at least and at most, in milliseconds.
const PARKED: (u64, u64) = (50, 300);

/// How long to wait before looking again.
const AGAIN: Duration = Duration::from_millis(2);

/// Where a storm's events are written.
pub trait Book: Clone + Send + Sync + 'static {
    /// Where transactions of one's own begin.
    fn pool(&self) -> &PgPool;

    /// Commits a writer's `number`th event.
    fn commit(&self, writer: u32, number: u32) -> impl Future<Output = Committed> + Send;

    /// Tries to write an event for which somebody else was first; returns its id.
    fn lose(&self, writer: u32, race: Race) -> impl Future<Output = Uuid> + Send;

    /// Writes an event in an open transaction, and returns its id.
    fn write(&self, transaction: &mut PgConnection) -> impl Future<Output = Uuid> + Send;

    /// Waits until others have gone by an open transaction that wrote, if they can.
    fn ripens(&self, transaction: &mut PgConnection) -> impl Future<Output = ()> + Send;
}

/// What became of a commit.
pub enum Committed {
    Yes(Uuid),
    /// Others were in the way, too often.
    No,
    /// Nobody can tell; it may be there.
    Unknown(Uuid),
}

/// What can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Race {
    /// For a place in a stream.
    Version,
    /// For a name.
    Claim,
}

/// How many events were committed so far, for whoever does something now and then.
#[derive(Clone, Default)]
pub struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// Waits until there are so many.
    pub async fn reaches(&self, events: usize) {
        while self.0.load(Ordering::Relaxed) < events {
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Waits until there are so many more.
    pub async fn grows_by(&self, events: usize) {
        self.reaches(self.0.load(Ordering::Relaxed) + events).await;
    }
}

/// What came of a storm, by ids.
#[derive(Default)]
pub struct Written {
    pub committed: Vec<Uuid>,
    /// Those of them that were committed after a while.
    pub parked: Vec<Uuid>,
    pub rolled_back: Vec<(Uuid, How)>,
    pub unknown: Vec<Uuid>,
    /// How often a commit came to nothing and was tried again.
    too_busy: usize,
}

/// How an event was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    LostVersion,
    LostClaim,
    Transaction,
    Parked,
    /// Parked until its connection was lost.
    CutOff,
}

/// Writes so many events and all that goes with them.
pub async fn storm<B: Book>(book: &B, events: usize, progress: &Progress) -> Written {
    let written = Arc::<Mutex<Written>>::default();
    let left = Arc::new(AtomicUsize::new(events));
    let mut tasks = JoinSet::new();
    for number in 0..WRITERS {
        let writer = Writer {
            book: book.clone(),
            number,
            left: Arc::clone(&left),
            progress: progress.clone(),
            written: Arc::clone(&written),
        };
        tasks.spawn(writer.write());
    }
    let every = PARKED_EVERY.max(events / MOST_PARKED);
    let parking = Parking {
        book: book.clone(),
        every,
        times: events / every,
        left,
        progress: progress.clone(),
        written: Arc::clone(&written),
    };
    tasks.spawn(parking.park());
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    std::mem::take(&mut *written.lock().unwrap())
}

struct Writer<B> {
    book: B,
    number: u32,
    left: Arc<AtomicUsize>,
    progress: Progress,
    written: Arc<Mutex<Written>>,
}

impl<B: Book> Writer<B> {
    async fn write(self) {
        let mut committed = 0;
        for round in 0.. {
            if (round + self.number).is_multiple_of(ROLLED_BACK) {
                self.roll_back(round / ROLLED_BACK).await;
                continue;
            }
            let take_one = |left| usize::checked_sub(left, 1);
            if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_err() {
                return;
            }
            self.commit(committed).await;
            committed += 1;
        }
    }

    async fn commit(&self, number: u32) {
        loop {
            let committed = self.book.commit(self.number, number).await;
            let mut written = self.written.lock().unwrap();
            match committed {
                Committed::Yes(id) => written.committed.push(id),
                Committed::Unknown(id) => written.unknown.push(id),
                Committed::No => {
                    written.too_busy += 1;
                    continue;
                }
            }
            self.progress.0.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }

    async fn roll_back(&self, number: u32) {
        let rolled_back = match number % 3 {
            0 => (self.book.lose(self.number, Race::Version).await, How::LostVersion),
            1 => (self.book.lose(self.number, Race::Claim).await, How::LostClaim),
            _ => {
                let mut transaction = self.book.pool().begin().await.unwrap();
                let id = self.book.write(&mut transaction).await;
                transaction.rollback().await.unwrap();
                (id, How::Transaction)
            }
        };
        self.written.lock().unwrap().rolled_back.push(rolled_back);
    }
}

/// Parks transactions, one after the other: on the log nobody else writes while one is parked.
struct Parking<B> {
    book: B,
    /// After so many events each time.
    every: usize,
    times: usize,
    left: Arc<AtomicUsize>,
    progress: Progress,
    written: Arc<Mutex<Written>>,
}

impl<B: Book> Parking<B> {
    async fn park(self) {
        for number in 1..=self.times {
            self.progress.reaches(number * self.every).await;
            // Somebody must be left to go by.
            if self.left.load(Ordering::Relaxed) < self.every / 2 {
                return;
            }
            self.park_one(number).await;
        }
    }

    async fn park_one(&self, number: usize) {
        let options = self.book.pool().connect_options();
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        let id = self.book.write(&mut connection).await;
        let (least, most) = PARKED;
        let milliseconds = least + number as u64 * 37 % (most - least);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let rolled_back = match number % 4 {
            0 => {
                connection.execute("ROLLBACK").await.unwrap();
                How::Parked
            }
            1 => {
                // As when its process dies.
                drop(connection);
                How::CutOff
            }
            _ => {
                self.book.ripens(&mut connection).await;
                connection.execute("COMMIT").await.unwrap();
                let mut written = self.written.lock().unwrap();
                written.committed.push(id);
                written.parked.push(id);
                return;
            }
        };
        self.written.lock().unwrap().rolled_back.push((id, rolled_back));
    }
}

impl Written {
    /// What was done, and how fast.
    pub fn in_words(&self, elapsed: Duration) -> String {
        let (commits, seconds) = (self.committed.len(), elapsed.as_secs_f64());
        let rolled = |wanted| self.rolled_back.iter().filter(|(_, how)| *how == wanted).count();
        format!(
            "{commits} commits by {WRITERS} writers in {seconds:.1} s ({:.0} a second), {} of them parked; \
             {} rolled back: {} lost races for a version, {} for a claim, {} transactions, {} parked, \
             {} parked and cut off; {} tried again, {} of unknown outcome",
            commits as f64 / seconds,
            self.parked.len(),
            self.rolled_back.len(),
            rolled(How::LostVersion),
            rolled(How::LostClaim),
            rolled(How::Transaction),
            rolled(How::Parked),
            rolled(How::CutOff),
            self.too_busy,
            self.unknown.len(),
        )
    }
}
