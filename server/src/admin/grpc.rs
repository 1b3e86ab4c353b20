//! `tollgate.v1.Admin`: counters over gRPC, by the same code as over JSON.
//!
//! It trusts its caller, who stands in the request's extensions: the role was judged before, by the
//! row of the method in the table of verbs.

use std::sync::Arc;
use std::time::Duration;

use tollgate_core::key::Key;
use tollgate_proto::v1::admin_server::Admin;
use tollgate_proto::v1::{
    self, Counter, Fault, GetCounterRequest, ListCountersRequest, ListCountersResponse, Malformed,
    ResetCounterRequest, TopCountersRequest, top_counters_request,
};
use tonic::{Request, Response, Status};

use super::api::{Api, ROWS, TOP_ROWS};
use super::counters::{self, By, ROWS_MAX, Search};
use super::meets;
use super::view::{CounterRow, Counters};
use crate::access::Caller;
use crate::guard::{guarded, guarded_future};
use crate::native::Failure;

/// The service.
#[derive(Clone)]
pub(crate) struct Service(Arc<Api>);

impl Service {
    /// A service that does what `api` does.
    pub(crate) const fn new(api: Arc<Api>) -> Self {
        Self(api)
    }

    fn list(&self, message: ListCountersRequest) -> Result<ListCountersResponse, Failure> {
        let ListCountersRequest { domain, contains, over, page_size, page_token } = message;
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let after = text(page_token).map(|token| key(&token, "page_token")).transpose()?;
        let limit = count(page_size, ROWS, "page_size")?;
        let search = Search { domain: text(domain), contains: text(contains), over, after, limit };
        Ok(page(counters::find(&self.0.decider, &search)))
    }

    fn top(&self, message: &TopCountersRequest) -> Result<ListCountersResponse, Failure> {
        use top_counters_request::By as Wire;
        let by = match Wire::try_from(message.by) {
            Ok(Wire::Unspecified | Wire::Hits) => By::Hits,
            Ok(Wire::Fill) => By::Fill,
            Err(_) => return Err(Fault::UnknownOrder(message.by).at("by").into()),
        };
        let count = count(message.count, TOP_ROWS, "count")?;
        Ok(page(counters::top(&self.0.decider, by, count)))
    }

    fn show(&self, message: &GetCounterRequest) -> Result<Counter, Failure> {
        let row = counters::show(&self.0.decider, key(&message.key, "key")?);
        row.map(counter).ok_or_else(|| Failure::NoCounter(message.key.clone()))
    }

    async fn reset(
        &self,
        message: &ResetCounterRequest,
        caller: &Caller,
    ) -> Result<Counter, Failure> {
        let key = key(&message.key, "key")?;
        let row = match message.dry_run {
            true => counters::show(&self.0.decider, key),
            false => counters::reset(&self.0.decider, key, &caller.who).await?,
        };
        row.map(counter).ok_or_else(|| Failure::NoCounter(message.key.clone()))
    }
}

#[tonic::async_trait]
impl Admin for Service {
    async fn list_counters(
        &self,
        request: Request<ListCountersRequest>,
    ) -> Result<Response<ListCountersResponse>, Status> {
        answered(|| self.list(request.into_inner()))
    }

    async fn top_counters(
        &self,
        request: Request<TopCountersRequest>,
    ) -> Result<Response<ListCountersResponse>, Status> {
        answered(|| self.top(request.get_ref()))
    }

    async fn get_counter(
        &self,
        request: Request<GetCounterRequest>,
    ) -> Result<Response<Counter>, Status> {
        answered(|| self.show(request.get_ref()))
    }

    async fn reset_counter(
        &self,
        request: Request<ResetCounterRequest>,
    ) -> Result<Response<Counter>, Status> {
        let (_, extensions, message) = request.into_parts();
        let answer =
            async { self.reset(&message, extensions.get().ok_or(Failure::Internal)?).await };
        Ok(Response::new(guarded_future(answer, || Err(Failure::Internal)).await?))
    }
}

/// Runs `answer`; a panic costs this call only.
fn answered<T>(answer: impl FnOnce() -> Result<T, Failure>) -> Result<Response<T>, Status> {
    Ok(Response::new(guarded(answer, || Err(Failure::Internal))?))
}

fn key(text: &str, field: &str) -> Result<Key, Malformed> {
    meets::parse_key(text).ok_or_else(|| Fault::NotACounter.at(field))
}

/// A number of rows; 0 is what is absent on the wire.
fn count(asked: u32, default: usize, field: &str) -> Result<usize, Malformed> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(count) if count <= ROWS_MAX => Ok(count),
        // A thousand, well within u64.
        _ => Err(Fault::OutOfRange { found: asked.into(), min: 1, max: ROWS_MAX as u64 }.at(field)),
    }
}

fn page(page: Counters) -> ListCountersResponse {
    let counters = page.counters.into_iter().map(counter).collect();
    ListCountersResponse { counters, next_page_token: page.next.unwrap_or_default() }
}

fn counter(row: CounterRow) -> Counter {
    let seconds = row.reset_after_seconds;
    let reset_after = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Counter {
        key: row.key,
        label: row.label,
        domain: row.domain.unwrap_or_default(),
        limit: row.limit.as_ref().and_then(|limit| limit.limit),
        limit_path: row.limit.map(|limit| limit.path).unwrap_or_default(),
        hits: row.hits,
        remaining: row.remaining,
        reset_after: reset_after.map(v1::to_duration),
        fill_percent: row.fill_percent.into(),
        held: row.held,
    }
}
