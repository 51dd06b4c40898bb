// The files that hold sealed secrets. Values go in; they come out only to be given to a task.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/id.h"
#include "base/result.h"
#include "base/secret.h"
#include "governance/secret/sealed.h"
#include "world/world.h"

namespace bessemer::secret {

// What a sealed value is bound to: a blob moved to another place does not open.
struct Place {
  OrgId tenant;  // its key seals the blob
  OrgId project;
  std::string name;
  std::uint32_t version = 0;
};

class Vault {
 public:
  // `folder` holds one file per sealed blob, named by its digest.
  // Requires: disk, entropy and master live longer.
  static Result<Vault> open(world::Disk& disk, world::Entropy& entropy, const MasterKey& master,
                            std::string_view folder = "secrets/sealed");

  // Seals and stores durably; the digest goes into secret::Put. Errors: invalid (size), Disk's.
  Result<Digest> store(const Place& place, const Secret& value);
  // Errors: not_found (no such blob), invalid (altered, or sealed for another place).
  Result<Secret> load(const Place& place, const Digest& sealed) const;
  // Removes blobs that nothing names any more, durably; those that are gone already are fine.
  Result<void> discard(const std::set<Digest>& unnamed);
  // Removes every blob that is not in `named`; returns how many. Requires: no store() still waits
  // for its Put to be applied; at start none does.
  Result<std::size_t> sweep(const std::set<Digest>& named);

 private:
  Vault(world::Disk& disk, world::Entropy& entropy, const MasterKey& master, std::string folder)
      : disk_(&disk), entropy_(&entropy), master_(&master), folder_(std::move(folder)) {}
  std::string file_of(const Digest& sealed) const;

  world::Disk* disk_;
  world::Entropy* entropy_;
  const MasterKey* master_;
  std::string folder_;
};

}  // namespace bessemer::secret
