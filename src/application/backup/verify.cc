// The checks of a state directory at rest.
#include "application/backup/restore.h"
#include "application/engine/replay.h"
#include "data/artifact/layout.h"
#include "data/artifact/manifest.h"

namespace bessemer::backup {
namespace {

Error wrong(std::string what) {
  return internal(std::move(what)).because("backup_damaged").fix("use another backup");
}

Result<factory::State> replayed_from(journal::Sequence applied, factory::State state,
                                     world::Disk& home) {
  auto opened = journal::read_journal(home, "journal", applied + 1);
  if (!opened && opened.error().code == Code::not_found && applied > 0) return state;
  TRY_ASSIGN(const auto cursor, std::move(opened));
  journal::Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, cursor->next(batch));
    if (!more) return state;
    TRY(engine::replay(batch, state, applied));
  }
}

Result<factory::State> checked_state(world::Disk& home) {
  TRY_ASSIGN(const journal::Audit audit, journal::audit_journal(home, "journal"));
  if (!audit.fault.empty()) return wrong(audit.fault);
  TRY_ASSIGN(auto whole, replayed_from(0, {}, home));
  factory::State snapshot;
  TRY_ASSIGN(const journal::Head at, engine::load_state(home, {}, snapshot));
  if (at.sequence == 0) return whole;  // of another version: it is folded anew at the start
  TRY_ASSIGN(const auto folded, replayed_from(at.sequence, std::move(snapshot), home));
  if (factory::encode_state(folded) != factory::encode_state(whole)) {
    return wrong("the snapshot at fact " + std::to_string(at.sequence) +
                 " is not what the facts before it come to");
  }
  return whole;
}

Result<void> check_money(const factory::State& state) {
  for (const auto& [currency, sum] : ledger::trial_balance(state.ledger)) {
    if (sum != 0) {
      return wrong("the ledger does not balance: " + to_text(Money{sum, currency}) + " too much");
    }
  }
  if (std::string found = lease::audit(state.lease, state.budget); !found.empty()) {
    return wrong("leases and budgets disagree: " + found);
  }
  return {};
}

Result<void> check_blob(world::Disk& home, const std::string& path, const Digest& digest) {
  auto file = home.open(path, world::OpenMode::read);
  if (!file) return wrong(path + " is missing");
  Sha256 running;
  std::string piece(artifact::layout::piece, '\0');
  for (std::uint64_t at = 0;;) {
    TRY_ASSIGN(const std::size_t got, (*file)->read_at(at, piece));
    if (got == 0) break;
    running.add(std::string_view(piece).substr(0, got));
    at += got;
  }
  if (running.finish() != digest) return wrong(path + " has other bytes than its name says");
  return {};
}

Result<std::uint64_t> check_artifacts(world::Disk& home, const factory::State& state,
                                      const Progress& progress) {
  std::uint64_t count = 0, of = 0;
  for (const auto& [project, holding] : state.artifact.projects) of += holding.artifacts.size();
  std::set<std::pair<OrgId, Digest>> seen;
  for (const auto& [project, holding] : state.artifact.projects) {
    const OrgId tenant = tenant::tenant_of(state.tenant, project);
    for (const auto& [tree, artifact] : holding.artifacts) {
      if (progress) progress("artifacts verified", count, of);
      ++count;
      const std::string path = "artifacts/" + artifact::layout::tree(tenant, tree);
      auto text = world::read_file(home, path, artifact::max_manifest_bytes);
      if (!text || sha256(*text) != tree) return wrong(path + " is missing or altered");
      TRY_ASSIGN(const artifact::Manifest manifest, artifact::parse_manifest(*text));
      for (const artifact::Entry& entry : manifest.entries) {
        if (!seen.emplace(tenant, entry.digest).second) continue;
        TRY(check_blob(home, "artifacts/" + artifact::layout::blob(tenant, entry.digest),
                       entry.digest));
      }
    }
  }
  return count;
}

}  // namespace

Result<std::uint64_t> verify_home(world::Disk& home, const Progress& progress) {
  if (progress) progress("chain and replay", 0, 0);
  TRY_ASSIGN(const factory::State state, checked_state(home));
  TRY(check_money(state));
  for (const Digest& sealed : secret::sealed_blobs(state.secret)) {
    TRY(check_blob(home, "secrets/sealed/" + to_text(sealed), sealed));
  }
  return check_artifacts(home, state, progress);
}

}  // namespace bessemer::backup
