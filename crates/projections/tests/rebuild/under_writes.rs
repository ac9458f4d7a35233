use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use chancery_domain::StreamId;
use chancery_projections::{Watch, platform_rebuild};
use chancery_testkit::{on_both_stores, stores::TestStore};
use serde_json::json;
use tokio::{runtime::Handle, task::block_in_place};

use crate::office::{change, client, differences, golden, open, rows, run};

/// Stops a rebuild after its first page until others have written.
struct LetOthersWrite {
    written: Arc<AtomicU64>,
    pages: u64,
    waited: u64,
}

impl Watch for LetOthersWrite {
    fn folded(&mut self, _events: u64) {
        self.pages += 1;
        // The last pages come under the tenant's lock, where nobody can write.
        if self.pages % 3 != 1 {
            return;
        }
        let before = self.written.load(Ordering::SeqCst);
        block_in_place(|| {
            Handle::current().block_on(async {
                while self.written.load(Ordering::SeqCst) < before + 6 {
                    tokio::task::yield_now().await;
                }
            });
        });
        self.waited += 1;
    }
}

on_both_stores! {
    async fn rebuilt_twice_while_writes_go_on(store: TestStore) {
        let tenants = [open(&store, 1, "acme").await, open(&store, 2, "bolt").await];
        run(&store, "UPDATE clients SET state = 'another', body = '{}' WHERE version > 9000").await;
        run(&store, "DELETE FROM client_secrets").await;
        run(&store, "UPDATE apis SET name = 'another'").await;

        let written = Arc::new(AtomicU64::new(0));
        let enough = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..4_u8)
            .map(|writer| {
                let (store, written, enough) = ((*store).clone(), written.clone(), enough.clone());
                tokio::spawn(async move {
                    let id = tenants[usize::from(writer % 2)];
                    let stream = StreamId::Client(client(writer + 10));
                    change(&store, id, &[(stream, golden("ClientCreated", json!({})))]).await;
                    for number in 0.. {
                        if enough.load(Ordering::SeqCst) {
                            break;
                        }
                        let event = ["ClientDisabled", "ClientEnabled"][number % 2];
                        change(&store, id, &[(stream, golden(event, json!({})))]).await;
                        written.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            let mut watch = LetOthersWrite { written: written.clone(), pages: 0, waited: 0 };
            let rebuilt = platform_rebuild(&store, &mut watch).await.unwrap();
            assert_eq!(watch.waited, 2, "others wrote during the rebuild of both tenants");
            assert!(rebuilt.rows >= 10);
        }
        enough.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(differences(&store).await.0, [""; 0]);
        let live = rows(&store).await;
        platform_rebuild(&store, &mut ()).await.unwrap();
        assert_eq!(rows(&store).await, live);
    }
}
