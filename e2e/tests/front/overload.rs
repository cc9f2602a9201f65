//! An upstream that is asked for more than it can do, and one that is slow for one operation.

use std::thread;
use std::time::{Duration, Instant};

use demur_e2e::{MockResponse, Request, Upstream};
use serde_json::json;

use crate::shop::serve;

#[test]
fn rejects_requests_over_the_concurrency_limit_at_once() {
    let slow = MockResponse::json(200, &json!([])).after(Duration::from_millis(800));
    let upstream = Upstream::always(slow);
    let shop = serve(&upstream, "", "overload: { in_flight: 4, adaptive: false }");
    let request = Request::get("/items").key(&shop.key);
    let responses: Vec<(u16, Duration, String)> = thread::scope(|scope| {
        let asking: Vec<_> = (0..12)
            .map(|number| {
                let (client, request) = (&shop.client, &request);
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(20 * number));
                    let begun = Instant::now();
                    let response = client.send(request);
                    let after = response.headers.first("retry-after").unwrap_or_default().to_owned();
                    (response.status, begun.elapsed(), after)
                })
            })
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).collect()
    });
    let (passed, rejected): (Vec<_>, Vec<_>) = responses.into_iter().partition(|(status, ..)| *status == 200);
    assert_eq!((passed.len(), rejected.len()), (4, 8));
    for (status, time, after) in rejected {
        assert_eq!((status, after.as_str()), (503, "1"));
        assert!(time < Duration::from_millis(400), "{time:?}");
    }
    assert_eq!(upstream.received().len(), 4);
    assert_eq!(shop.client.send(&request).status, 200);
}

#[test]
fn operation_has_its_own_timeout() {
    let slow = MockResponse::json(200, &json!([])).after(Duration::from_millis(900));
    let upstream = Upstream::always(slow);
    let shop = serve(&upstream, "", "");
    let begun = Instant::now();
    assert_eq!(shop.client.send(&Request::get("/open")).status, 504);
    assert!(begun.elapsed() < Duration::from_millis(850));
    assert_eq!(shop.client.send(&Request::get("/items").key(&shop.key)).status, 200);
}
