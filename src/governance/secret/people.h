// Personal data: sealed per person, so that forgetting someone is destroying one small key.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/result.h"
#include "governance/secret/sealed.h"
#include "world/world.h"

namespace bessemer::secret {

constexpr std::size_t max_person_text = 256;  // bytes of a name or an e-mail address

// What we know about a person. Facts name people by PrincipalId only.
struct Person {
  std::string name;
  std::string email;
  friend bool operator==(const Person&, const Person&) = default;
};
DESCRIBE(Person, name, email)

// `people/<id>.key` is the person's key, sealed under the master key; `people/<id>` the data sealed
// under that. A backup that must be able to forget leaves the .key files to the live store.
class People {
 public:
  // Reads who is there. Errors: invalid (a file was altered), Disk's.
  // Requires: disk, entropy and master live longer.
  static Result<People> open(world::Disk& disk, world::Entropy& entropy, const MasterKey& master,
                             std::string_view folder = "people");

  // Stores or replaces, durably. Errors: invalid, conflict (another person has the address).
  Result<void> put(PrincipalId id, const Person& person);
  // Errors: not_found (never known, or erased), invalid (altered).
  Result<Person> get(PrincipalId id) const;
  // Who has the e-mail address (compared without case); none when nobody.
  PrincipalId find_by_email(std::string_view email) const;
  std::vector<PrincipalId> list() const;
  // Destroys the key and then the data, durably; again is fine.
  Result<void> erase(PrincipalId id);

 private:
  People(world::Disk& disk, world::Entropy& entropy, const MasterKey& master, std::string folder)
      : disk_(&disk), entropy_(&entropy), master_(&master), folder_(std::move(folder)) {}
  Result<Secret> key_of(PrincipalId id) const;
  Digest email_index(std::string_view email) const;
  std::string file_of(PrincipalId id) const;

  world::Disk* disk_;
  world::Entropy* entropy_;
  const MasterKey* master_;
  std::string folder_;
  std::map<PrincipalId, Digest> known_;     // id -> keyed hash of the address
  std::map<Digest, PrincipalId> by_email_;  // keyed hash, so that memory holds no addresses
};

}  // namespace bessemer::secret
