// Links between what is remembered, walked down to bytes or up to what was made of them.
#include "data/lineage/lineage.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace bessemer::lineage {

namespace {

// Of an answer: its JSON nests twice as deep, and a reader takes 32 (limits::json_depth).
constexpr int max_depth = 14;

enum class Direction { origins, products };

struct Link {
  std::string relation;
  Subject to;
  // A second way to what another link leads to as well: not worth a line when that came first.
  bool shortcut = false;
};

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  int unit = -1;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return fmt::format("{:.1f} {}iB", value, "KMGTP"[unit]);
}

template <class Map, class Key>
const typename Map::mapped_type* look_up(const Map& map, const Key& key) {
  const auto at = map.find(key);
  return at == map.end() ? nullptr : &at->second;
}

// All links of the sources, in one direction.
class Links {
 public:
  Links(const Sources& sources, Direction direction) : direction_(direction) {
    for (const auto& [id, run] : sources.runs.runs) add_run(id, run);
    for (const auto& [id, dataset] : sources.datasets.datasets) {
      for (const auto& [number, version] : dataset.versions) {
        if (!version.produced_by) continue;
        add(DatasetVersion{id, number}, "produced by", "produced",
            ExperimentRun{version.produced_by});
      }
    }
    for (const auto& [id, model] : sources.models.models) {
      for (const auto& [number, version] : model.versions) add_model(id, version);
    }
    for (const Served& one : sources.served) {
      add(Endpoint{one.endpoint}, "serves", "served by", ModelVersion{one.model, one.version});
    }
    for (const Charged& one : sources.charged) {
      if (one.endpoint) {
        add(Charge{one.line}, "for the use of", "charged as", Endpoint{one.endpoint});
      }
      if (const run::Run* run = one.workload ? run::find(sources.runs, one.workload) : nullptr) {
        add(Charge{one.line}, "for the time of", "charged as", ExperimentRun{run->id});
      }
    }
  }

  const std::vector<Link>& of(const Subject& subject) const {
    static const std::vector<Link> none;
    const auto* found = look_up(links_, subject);
    return found != nullptr ? *found : none;
  }

 private:
  void add(const Subject& thing, std::string_view relation, std::string_view inverse,
           const Subject& origin, bool shortcut = false) {
    const bool down = direction_ == Direction::origins;
    std::vector<Link>& list = links_[down ? thing : origin];
    const Subject& to = down ? origin : thing;
    const bool there = std::any_of(list.begin(), list.end(),
                                   [&](const Link& link) { return link.to == to; });
    if (!there) list.push_back({std::string(down ? relation : inverse), to, shortcut});
  }

  void add_run(RunId id, const run::Run& run) {
    for (const run::Input& input : run.inputs) {
      if (input.dataset) {
        add(ExperimentRun{id}, "read", "read by",
            DatasetVersion{input.dataset, input.dataset_version});
      }
      if (input.model) {
        add(ExperimentRun{id}, "read", "read by", ModelVersion{input.model, input.model_version});
      }
      if (input.run) {
        add(ExperimentRun{id}, "read what came of", "read by", ExperimentRun{input.run});
      }
    }
  }

  void add_model(ModelId id, const registry::Version& version) {
    const ModelVersion self{id, version.number};
    const registry::Lineage& lineage = version.lineage;
    if (lineage.run) add(self, "made by", "made", ExperimentRun{lineage.run});
    if (lineage.parent) {
      add(self, "derived from", "became", ModelVersion{lineage.parent, lineage.parent_version});
    }
    for (const registry::DatasetUse& use : lineage.datasets) {
      add(self, "trained on", "trained", DatasetVersion{use.dataset, use.version}, true);
    }
    for (const registry::Evaluation& evaluation : version.evaluations) {
      if (!evaluation.run) continue;
      add(self, "evaluated by", "evaluated", ExperimentRun{evaluation.run}, true);
    }
  }

  Direction direction_;
  std::map<Subject, std::vector<Link>> links_;
};

// What a thing is called, and whose it is.
struct Described {
  OrgId project;
  Branch branch;
  std::vector<Branch> leaves;  // bytes and code below it
};

Branch leaf(std::string relation, std::string kind, const Digest& digest, std::string detail) {
  Branch branch;
  branch.relation = std::move(relation);
  branch.kind = std::move(kind);
  branch.id = to_text(digest);
  branch.label = "sha256:" + branch.id.substr(0, 12);
  branch.detail = std::move(detail);
  return branch;
}

Branch named(std::string_view kind, std::string id, std::string label, std::string detail) {
  Branch branch;
  branch.kind = std::string(kind);
  branch.id = std::move(id);
  branch.label = std::move(label);
  branch.detail = std::move(detail);
  return branch;
}

// Says what each kind of thing is; nothing for what is not there (any more).
struct Describer {
  const Sources& sources;

  std::optional<Described> operator()(const DatasetVersion& asked) const {
    const auto* dataset = look_up(sources.datasets.datasets, asked.id);
    const auto* version = dataset ? look_up(dataset->versions, asked.version) : nullptr;
    if (version == nullptr) return std::nullopt;
    std::string detail = fmt::format("{} in {} files", bytes_text(version->bytes), version->files);
    if (!version->licence.empty()) detail += ", " + version->licence;
    if (version->state != dataset::VersionState::active) {
      detail += ", " + std::string(enum_text(version->state));
    }
    return Described{dataset->project,
                     named("dataset", fmt::format("{}@{}", to_text(asked.id), asked.version),
                           fmt::format("{}@{}", dataset->name, asked.version), std::move(detail)),
                     {leaf("holds", "bytes", version->tree, version->source)}};
  }

  std::optional<Described> operator()(const ExperimentRun& asked) const {
    const run::Run* run = run::find(sources.runs, asked.id);
    if (run == nullptr) return std::nullopt;
    std::string label = run->experiment;
    if (const std::string& name = run->name.empty() ? run->step : run->name; !name.empty()) {
      label += "/" + name;
    }
    Described out{run->project,
                  named("run", to_text(asked.id), std::move(label),
                        std::string(enum_text(run->status))),
                  {}};
    if (run->code) out.leaves.push_back(leaf("ran", "code", run->code, ""));
    for (const run::Input& input : run->inputs) {
      if (input.dataset || input.model || input.run) continue;
      out.leaves.push_back(leaf("read", "bytes", input.digest, input.name));
    }
    return out;
  }

  std::optional<Described> operator()(const ModelVersion& asked) const {
    const auto* model = look_up(sources.models.models, asked.id);
    const auto* version = model ? look_up(model->versions, asked.version) : nullptr;
    if (version == nullptr) return std::nullopt;
    std::string detail = fmt::format("{}, {}", version->format, bytes_text(version->bytes));
    for (const auto& [alias, moves] : model->aliases) {
      if (!moves.empty() && moves.back().version == asked.version) detail += ", " + alias;
    }
    if (version->origin == registry::Origin::imported) detail += ", imported";
    if (version->state == registry::VersionState::deleted) detail += ", deleted";
    return Described{model->project,
                     named("model", fmt::format("{}@{}", to_text(asked.id), asked.version),
                           fmt::format("{}@{}", model->name, asked.version), std::move(detail)),
                     {leaf("holds", "bytes", version->artifact, version->source)}};
  }

  std::optional<Described> operator()(const Endpoint& asked) const {
    for (const Served& one : sources.served) {
      if (one.endpoint != asked.id) continue;
      return Described{one.project, named("endpoint", to_text(asked.id), one.name, ""), {}};
    }
    return std::nullopt;
  }

  std::optional<Described> operator()(const Charge& asked) const {
    for (const Charged& one : sources.charged) {
      if (one.line != asked.line) continue;
      return Described{one.project, named("charge", one.line, one.label, ""), {}};
    }
    return std::nullopt;
  }
};

// One answer being put together.
class Walk {
 public:
  Walk(const Sources& sources, Direction direction)
      : sources_(sources), direction_(direction), links_(sources, direction) {}

  Result<Branch> from(const Subject& subject) {
    const auto found = std::visit(Describer{sources_}, subject);
    if (!found || !sources_.visible.contains(found->project)) {
      return not_found("nothing of this name is known");
    }
    return branch(subject, *found, "", 0);
  }

 private:
  Branch branch(const Subject& subject, const Described& described, std::string relation,
                int depth) {
    ++nodes_;
    Branch out = described.branch;
    out.relation = std::move(relation);
    if (!met_.insert(subject).second) {
      out.repeated = true;
      return out;
    }
    for (const Link& link : links_.of(subject)) {
      if (link.shortcut && met_.contains(link.to)) continue;
      if (nodes_ >= max_nodes || depth >= max_depth) {
        out.branches.push_back(named("hidden", "", "(more: ask from here)", ""));
        return out;
      }
      follow(link, out, depth);
    }
    if (direction_ == Direction::origins) {
      for (const Branch& below : described.leaves) {
        if (below.id.empty()) continue;
        ++nodes_;
        out.branches.push_back(below);
      }
    }
    return out;
  }

  void follow(const Link& link, Branch& out, int depth) {
    const auto found = std::visit(Describer{sources_}, link.to);
    if (found && sources_.visible.contains(found->project)) {
      out.branches.push_back(branch(link.to, *found, link.relation, depth + 1));
      return;
    }
    ++nodes_;
    Branch hidden = named("hidden", "", found ? "(another project)" : "(forgotten)", "");
    hidden.relation = link.relation;
    // Two of them look alike: one line says it.
    const bool said = std::find(out.branches.begin(), out.branches.end(), hidden) !=
                      out.branches.end();
    if (!said) out.branches.push_back(std::move(hidden));
  }

  const Sources& sources_;
  Direction direction_;
  Links links_;
  std::set<Subject> met_;
  std::size_t nodes_ = 0;
};

void draw_below(const Branch& branch, const std::string& indent, std::string& out) {
  for (const Branch& below : branch.branches) {
    const bool last = &below == &branch.branches.back();
    out += indent + (last ? "└─ " : "├─ ");
    if (!below.relation.empty()) out += below.relation + " ";
    if (below.kind != "hidden") out += below.kind + " ";
    out += below.label;
    if (!below.detail.empty()) out += " (" + below.detail + ")";
    if (below.repeated) out += " (see above)";
    out += '\n';
    draw_below(below, indent + (last ? "   " : "│  "), out);
  }
}

}  // namespace

Result<Branch> origins(const Sources& sources, const Subject& subject) {
  return Walk(sources, Direction::origins).from(subject);
}

Result<Branch> products(const Sources& sources, const Subject& subject) {
  return Walk(sources, Direction::products).from(subject);
}

std::string draw(const Branch& root) {
  std::string out = root.kind + " " + root.label;
  if (!root.detail.empty()) out += " (" + root.detail + ")";
  out += '\n';
  draw_below(root, "", out);
  return out;
}

}  // namespace bessemer::lineage
