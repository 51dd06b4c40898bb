// Experiment runs and their metrics.
#include <memory>

#include "application/api/follow.h"
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "data/run/series.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr std::size_t default_points = 500;

Result<const run::Run*> named_run(Call& call) {
  return named_thing<RunId>(
      call, "run", "run",
      [&](RunId id) -> const run::Run* {
        const auto found = call.state().run.runs.find(id);
        return found == call.state().run.runs.end() ? nullptr : &found->second;
      },
      [](const run::Run& found) { return found.project; });
}

Result<run::Run> get_run(Call& call) {
  TRY_ASSIGN(const run::Run* const found, named_run(call));
  return *found;
}

Result<Page<run::Run>> list_runs(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  const auto experiment = call.query("experiment");
  std::vector<const run::Run*> all;
  for (const auto& [id, one] : call.state().run.runs) {
    if (one.project != project || (experiment && one.experiment != *experiment)) continue;
    all.push_back(&one);
  }
  return paginate<run::Run>(
      call, all, [](const run::Run* one) { return to_text(one->id); },
      [](const run::Run* one) { return *one; });
}

std::string series_path(RunId run) { return "runs/" + to_text(run) + "/metrics"; }

struct SeriesView {
  std::string name;
  std::vector<run::Sample> samples;
};
DESCRIBE(SeriesView, name, samples)

struct MetricsView {
  std::map<std::string, run::Summary> summary;
  std::vector<SeriesView> series;
};
DESCRIBE(MetricsView, summary, series)

Reply reply_of(const MetricsView& view) {
  Reply reply;
  json::write(reply.body, view);
  return reply;
}

// Bytes of a series file read at a time; then others have their turn.
constexpr std::uint64_t series_piece = 16 << 20;

// One answer's way through a series file: read on the store's thread, a piece at a time; between
// two pieces the loop looks whether anybody still waits for it.
class ReadingSeries : public std::enable_shared_from_this<ReadingSeries> {
 public:
  // `kept`: the summary of a run that is over; the file's own when it holds nothing.
  ReadingSeries(std::shared_ptr<Call> call, server::Responder responder, std::string path,
                run::SeriesWish wish, std::map<std::string, run::Summary> kept)
      : call_(std::move(call)), responder_(std::move(responder)), path_(std::move(path)),
        wish_(std::move(wish)), kept_(std::move(kept)) {}

  void next() {
    call_->services().store.post(
        [self = shared_from_this()](artifact::Store&) mutable -> StoreQueue::Then {
          auto more = std::make_shared<Result<bool>>(self->read_piece());
          // Whatever is the last of it ends on the loop's thread.
          return [self = std::move(self), more] { self->go_on(*more); };
        });
  }

 private:
  // On the store's thread.
  Result<bool> read_piece() {
    world::Disk& disk = call_->services().home;
    if (reader_ == nullptr) {
      if (!disk.exists(path_)) return false;  // nothing was measured
      TRY_ASSIGN(reader_, run::SeriesReader::open(disk, path_, wish_));
    }
    TRY_ASSIGN(const bool more, reader_->read(series_piece));
    if (!more) view_ = view();
    return more;
  }

  MetricsView view() const {
    MetricsView made;
    made.summary = kept_.empty() ? reader_->summaries() : kept_;
    for (const auto& [name, thinned] : reader_->series()) {
      made.series.push_back({name, thinned.samples()});
    }
    return made;
  }

  void go_on(const Result<bool>& more) {
    if (responder_.gone()) return;
    if (!more) return call_->answer(responder_, more.error());
    // It takes as long as it takes: the key may have ended meanwhile.
    if (auto good = call_->still_good(); !good) {
      return call_->answer(responder_, std::move(good).error());
    }
    if (*more) return next();
    call_->answer(responder_, reply_of(view_));
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
  std::string path_;
  run::SeriesWish wish_;
  std::map<std::string, run::Summary> kept_;
  std::unique_ptr<run::SeriesReader> reader_;
  MetricsView view_;
};

Result<void> get_metrics(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const run::Run* const found, named_run(*call));
  run::SeriesWish wish;
  wish.max_points = default_points;
  if (const auto only = call->query("name")) wish.only = std::string(*only);
  // A run that is over says itself what its file holds.
  std::map<std::string, run::Summary> kept;
  if (found->status != run::Status::running) kept = found->metrics;
  if (!kept.empty() && wish.only && !kept.contains(*wish.only)) {
    call->answer(responder, reply_of(MetricsView{std::move(kept), {}}));
    return {};
  }
  TRY(check_room_to_read(call->services().store));
  std::make_shared<ReadingSeries>(call, responder, series_path(found->id), std::move(wish),
                                  std::move(kept))
      ->next();
  return {};
}

Result<Nothing> delete_run(Call& call) {
  TRY_ASSIGN(const run::Run* const found, named_run(call));
  const RunId id = found->id;
  TRY(call.submit(run::Command(run::Delete{id})));
  // Its numbers too, after whoever still reads them; a file that stays is in nobody's way.
  world::Disk& disk = call.services().home;
  call.services().store.post(
      [&disk, path = series_path(id)](artifact::Store&) -> StoreQueue::Then {
        if (disk.exists(path)) (void)disk.remove(path).has_value();
        return {};
      });
  return Nothing{};
}

}  // namespace

Table run_routes() {
  Route metrics = stream_route<&get_metrics>(Method::get, "/api/v1/runs/{run}/metrics",
                                             "get_run_metrics", "A run's metrics over its steps",
                                             Resource::run, Action::read,
                                             {{"name", "only this metric"}});
  metrics.answer_schema = &json::schema<MetricsView>;
  return {
      route<&list_runs>(Method::get, "/api/v1/runs", "list_runs", "Experiment runs of a project",
                        Resource::run, Action::list,
                        with_page({{"project", "path or id of the project"},
                                   {"experiment", "only this experiment"}})),
      route<&get_run>(Method::get, "/api/v1/runs/{run}", "get_run",
                      "One run: parameters, metrics, inputs, outputs", Resource::run,
                      Action::read),
      std::move(metrics),
      route<&delete_run>(Method::del, "/api/v1/runs/{run}", "delete_run",
                         "Forget a run that is over and give up its outputs", Resource::run,
                         Action::remove),
  };
}

}  // namespace bessemer::api
