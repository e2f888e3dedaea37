//! Those who look at a status all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use crate::support::System;

pub struct Readers {
    is_over: Arc<AtomicBool>,
    readers: JoinSet<u64>,
}

impl Readers {
    /// Readers of the status of a worker, of all workers, and of the catalogue.
    pub fn start(system: &System, worker_id: i32) -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let mut readers = JoinSet::new();
        let paths = [
            (system.status.clone(), "/status/workers".to_owned()),
            (system.status.clone(), format!("/status/worker/{worker_id}")),
            (system.experience.clone(), "/worker/current".to_owned()),
            (system.experience.clone(), "/gameserver".to_owned()),
        ];
        for (api, path) in paths {
            let is_over = Arc::clone(&is_over);
            readers.spawn(async move {
                let mut reads = 0;
                while !is_over.load(Ordering::Relaxed) {
                    // Whatever is not a success fails the test here.
                    let read = api.get(&path).await.ok();
                    assert!(!read.is_null(), "{path}");
                    reads += 1;
                }
                reads
            });
        }
        Self { is_over, readers }
    }

    /// How many reads there were. None of them failed.
    pub async fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.readers.join_all().await.into_iter().sum()
    }
}
