// Experiment runs and their metrics.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "data/run/metrics.h"

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

Result<MetricsView> get_metrics(Call& call) {
  TRY_ASSIGN(const run::Run* const found, named_run(call));
  const std::string path = "runs/" + to_text(found->id) + "/metrics";
  MetricsView view;
  view.summary = found->metrics;
  world::Disk& disk = call.services().home;
  if (!disk.exists(path)) return view;
  TRY_ASSIGN(const run::SeriesEnd end, run::read_end(disk, path));
  view.summary = end.metrics;
  const auto only = call.query("name");
  for (const auto& [name, summary] : end.metrics) {
    if (only && *only != name) continue;
    TRY_ASSIGN(auto samples, run::read_series(disk, path, name, 0, default_points));
    view.series.push_back({name, std::move(samples)});
  }
  return view;
}

}  // namespace

Table run_routes() {
  return {
      route<&list_runs>(Method::get, "/api/v1/runs", "list_runs", "Experiment runs of a project",
                        Resource::run, Action::list,
                        with_page({{"project", "path or id of the project"},
                                   {"experiment", "only this experiment"}})),
      route<&get_run>(Method::get, "/api/v1/runs/{run}", "get_run",
                      "One run: parameters, metrics, inputs, outputs", Resource::run,
                      Action::read),
      route<&get_metrics>(Method::get, "/api/v1/runs/{run}/metrics", "get_run_metrics",
                          "A run's metrics over its steps", Resource::run, Action::read,
                          {{"name", "only this metric"}}),
  };
}

}  // namespace bessemer::api
