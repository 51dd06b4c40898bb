// Sealed secrets as files named by their digests.
#include "governance/secret/vault.h"

#include "governance/secret/secret.h"

namespace bessemer::secret {
namespace {

// Unambiguous: ids have fixed lengths and names hold no '/'.
std::string bound_to(const Place& place) {
  return "secret/" + to_text(place.tenant) + "/" + to_text(place.project) + "/" + place.name +
         "/" + std::to_string(place.version);
}

constexpr std::size_t max_blob = max_value + 64;

}  // namespace

Result<Vault> Vault::open(world::Disk& disk, world::Entropy& entropy, const MasterKey& master,
                          std::string_view folder) {
  TRY(disk.make_directories(folder));
  return Vault(disk, entropy, master, std::string(folder));
}

std::string Vault::file_of(const Digest& sealed) const { return folder_ + "/" + to_text(sealed); }

Result<Digest> Vault::store(const Place& place, const Secret& value) {
  const std::size_t size = value.reveal().size();
  if (size < min_value || size > max_value) {
    return invalid("must have " + std::to_string(min_value) + " to " + std::to_string(max_value) +
                   " bytes").at("value")
        .fix(size < min_value ? "a shorter value could not be hidden in logs" : "");
  }
  const std::string blob = seal(master_->derived("secret", to_text(place.tenant)),
                                bound_to(place), value.reveal(), *entropy_);
  const Digest name = sha256(blob);
  TRY(world::replace_file(*disk_, file_of(name), blob));
  return name;
}

Result<Secret> Vault::load(const Place& place, const Digest& sealed) const {
  TRY_ASSIGN(const std::string blob, world::read_file(*disk_, file_of(sealed), max_blob));
  return unseal(master_->derived("secret", to_text(place.tenant)), bound_to(place), blob);
}

Result<void> Vault::discard(const std::set<Digest>& unnamed) {
  for (const Digest& blob : unnamed) {
    if (disk_->exists(file_of(blob))) TRY(disk_->remove(file_of(blob)));
  }
  return disk_->sync_directory(folder_);
}

Result<std::size_t> Vault::sweep(const std::set<Digest>& named) {
  TRY_ASSIGN(const std::vector<std::string> files, disk_->list(folder_));
  std::size_t removed = 0;
  for (const std::string& file : files) {
    const auto digest = from_text(std::type_identity<Digest>{}, file);
    if (digest && named.contains(*digest)) continue;
    TRY(disk_->remove(folder_ + "/" + file));
    ++removed;
  }
  if (removed > 0) TRY(disk_->sync_directory(folder_));
  return removed;
}

}  // namespace bessemer::secret
