// Inputs laid out, outputs taken, metrics written, logs kept.
#include "application/daemon/task_bytes.h"

#include <filesystem>

#include "application/daemon/giving_way.h"
#include "data/artifact/import.h"

namespace bessemer::daemon {
namespace {

namespace fs = std::filesystem;

// Outputs are written by the task's own user: the daemon makes the directory, the supervisor gives
// it away.
Result<void> make_directory(const std::string& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) return internal("cannot make " + path + ": " + failed.message());
  fs::permissions(path, fs::perms::owner_all, failed);
  return {};
}

}  // namespace

std::string series_path(RunId run) { return "runs/" + to_text(run) + "/metrics"; }

std::string kept_logs(const Home& home, const executor::TaskKey& key) {
  return home.at("logs/" + to_text(key.task) + "/" + std::to_string(key.generation));
}

std::string TaskBytes::outputs_of(const executor::TaskKey& key) const {
  return home_.at("outputs/" + to_text(key.task) + "/" + std::to_string(key.generation));
}

std::string TaskBytes::checkpoints_of(TaskId task) const {
  return home_.at("checkpoints/" + to_text(task));
}

Result<std::vector<TaskBytes::Sealed>> TaskBytes::sealed_of(
    const conductor::Wanted& wanted) const {
  std::vector<Sealed> found;
  for (const std::string& name : wanted.secrets) {
    const secret::Entry* const entry =
        secret::find(engine_.state().secret, wanted.project, name);
    if (entry == nullptr) return not_found("secret '" + name + "' was removed").at("secrets");
    const secret::Version& newest = entry->versions.back();
    found.push_back({{wanted.tenant, wanted.project, name, newest.number}, newest.sealed});
  }
  return found;
}

void TaskBytes::prepare(conductor::Wanted wanted,
                        std::function<void(Result<conductor::Prepared>)> then) {
  auto sealed = sealed_of(wanted);
  if (!sealed) return then(std::move(sealed).error());
  auto prepared = std::make_shared<conductor::Prepared>();
  if (!wanted.outputs.empty()) prepared->outputs = outputs_of(wanted.key);
  prepared->checkpoints = checkpoints_of(wanted.key.task);
  for (const std::string& directory : {prepared->outputs, prepared->checkpoints}) {
    if (directory.empty()) continue;
    if (auto made = make_directory(directory); !made) return then(std::move(made).error());
  }
  if (!wanted.code && wanted.inputs.empty() && sealed->empty()) {
    return then(std::move(*prepared));
  }
  const std::string root = store_.directory();
  store_.post([=, this, sealed = *std::move(sealed),
               wanted = std::move(wanted)](artifact::Store& store) -> StoreThread::Then {
    const auto lay_out = [&](const Digest& tree) -> Result<std::string> {
      TRY_ASSIGN(const std::string path, store.lay_out(wanted.tenant, tree));
      return root + "/" + path;
    };
    const auto all = [&]() -> Result<void> {
      for (const Sealed& one : sealed) {
        TRY_ASSIGN(Secret value, vault_.load(one.place, one.digest));
        prepared->secrets.push_back({one.place.name, std::move(value)});
      }
      if (wanted.code) {
        TRY_ASSIGN(prepared->code, lay_out(wanted.code));
      }
      for (const auto& [name, tree] : wanted.inputs) {
        TRY_ASSIGN(std::string path, lay_out(tree));
        prepared->inputs.push_back({name, std::move(path)});
      }
      return {};
    };
    if (auto done = all(); !done) {
      return [then, error = std::move(done).error()] { then(error); };
    }
    return [then, prepared] { then(std::move(*prepared)); };
  });
}

void TaskBytes::take_outputs(
    conductor::Wanted wanted,
    std::function<void(Result<std::vector<workload::Product>>)> then) {
  const std::string folder = outputs_of(wanted.key);
  // What one task leaves may be large, and others want to start.
  const OrgId tenant = wanted.tenant;
  store_.post_long(tenant, [=, this, wanted = std::move(wanted)](
                               artifact::Store& store) -> StoreThread::Then {
    std::vector<workload::Product> products;
    const auto all = [&]() -> Result<void> {
      TRY_ASSIGN(const auto tree, real::RealTree::open_root(folder));
      GivingWay from(*tree, [this] { store_.give_way(); });
      for (const std::string& name : wanted.outputs) {
        auto imported = artifact::import_tree(store, wanted.tenant, from, name, {});
        if (!imported && imported.error().code == Code::not_found) continue;
        if (!imported) return std::move(imported).error().during("output '" + name + "'");
        if (imported->files == 0) continue;
        products.push_back({name, imported->tree, imported->bytes, imported->files});
      }
      return {};
    };
    if (auto done = all(); !done) {
      return [then, error = std::move(done).error()] { then(error); };
    }
    return [then, products = std::move(products)] { then(products); };
  });
}

void TaskBytes::measure(RunId run, const executor::Metrics& metrics, Instant at) {
  auto writer = series_.find(run);
  if (writer == series_.end()) {
    const std::string path = series_path(run);
    auto made = home_.disk->make_directories(path.substr(0, path.rfind('/')));
    auto opened = run::SeriesWriter::open(*home_.disk, path);
    if (!made || !opened) {
      ++lost_metrics_;
      return;
    }
    writer = series_.emplace(run, *std::move(opened)).first;
  }
  run::Point point;
  point.at = at;
  point.step = metrics.step.value_or(writer->second.next_step());
  // After a restart the executor tells again what it told before; those steps are there already.
  if (point.step < writer->second.next_step()) return;
  for (const auto& [name, value] : metrics.values) point.values.emplace_back(name, value);
  if (!writer->second.append(point)) ++lost_metrics_;
}

void TaskBytes::end_series(RunId run, std::function<void(Result<run::SeriesEnd>)> then) {
  std::shared_ptr<run::SeriesWriter> writer;
  if (const auto at = series_.find(run); at != series_.end()) {
    writer = std::make_shared<run::SeriesWriter>(std::move(at->second));
    series_.erase(at);
  }
  world::Disk& disk = *home_.disk;
  store_.post([=, &disk](artifact::Store&) -> StoreThread::Then {
    const auto end = [&]() -> Result<run::SeriesEnd> {
      if (writer) TRY(writer->sync());
      const std::string path = series_path(run);
      if (!disk.exists(path)) return run::SeriesEnd{};
      return run::read_end(disk, path);
    };
    return [then, ended = end()] { then(ended); };
  });
}

void TaskBytes::discard(const executor::TaskKey& key, bool all, std::function<void()> then) {
  const fs::path task =
      home_.at("tasks/" + to_text(key.task) + "/" + std::to_string(key.generation));
  const fs::path kept = kept_logs(home_, key);
  const std::string outputs = outputs_of(key);
  const std::string checkpoints = all ? checkpoints_of(key.task) : std::string();
  store_.post([=](artifact::Store&) -> StoreThread::Then {
    std::error_code ignored;
    fs::remove_all(outputs, ignored);
    if (!checkpoints.empty()) fs::remove_all(checkpoints, ignored);
    fs::create_directories(kept, ignored);
    for (const auto& entry : fs::directory_iterator(task, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("stdout") || name.starts_with("stderr")) {
        fs::rename(entry.path(), kept / name, ignored);
      }
    }
    return then;
  });
}

void TaskBytes::inspect(OrgId tenant, const Digest& tree, const dataset::Schema& schema,
                        std::function<void(Result<dataset::Validation>)> then) {
  inspector_.post({tenant, tree, schema, std::move(then)});
}

}  // namespace bessemer::daemon
