// Personal data on disk, each person under a key of his own.
#include "governance/secret/people.h"

#include <array>

#include "base/json.h"
#include "base/text.h"

namespace bessemer::secret {
namespace {

constexpr std::size_t max_file = 16 * 1024;
constexpr std::string_view key_suffix = ".key";

Result<void> check_person(const Person& person) {
  const auto unfit = [](std::string_view text) {
    return text.size() > max_person_text || !is_utf8(text) ||
           text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos;
  };
  const std::string limit = "must be one line of at most " + std::to_string(max_person_text) +
                            " bytes of UTF-8";
  if (unfit(person.name)) return invalid(limit).at("name");
  if (unfit(person.email)) return invalid(limit).at("email");
  if (!person.email.empty()) {
    const std::size_t at = person.email.find('@');
    if (at == 0 || at == std::string::npos || at + 1 == person.email.size()) {
      return invalid("must be an e-mail address").at("email");
    }
  }
  if (person.name.empty() && person.email.empty()) {
    return invalid("must not be empty").at("name").fix("give a name or an e-mail address");
  }
  return {};
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Overwrites before removing: the bytes of a key should not outlive its name.
Result<void> destroy(world::Disk& disk, const std::string& path) {
  TRY_ASSIGN(const auto file, disk.open(path, world::OpenMode::read_write));
  TRY_ASSIGN(const std::uint64_t size, file->size());
  TRY(file->write_at(0, std::string(size, '\0')));
  TRY(file->sync());
  return disk.remove(path);
}

}  // namespace

std::string People::file_of(PrincipalId id) const { return folder_ + "/" + to_text(id); }

Digest People::email_index(std::string_view email) const {
  if (email.empty()) return {};
  return hmac_sha256(master_->derived("people.index", "").reveal(), lower_case(email));
}

Result<People> People::open(world::Disk& disk, world::Entropy& entropy, const MasterKey& master,
                            std::string_view folder) {
  TRY(disk.make_directories(folder));
  People people(disk, entropy, master, std::string(folder));
  TRY_ASSIGN(const std::vector<std::string> files, disk.list(folder));
  for (const std::string& file : files) {
    if (!file.ends_with(key_suffix)) continue;
    const auto id = from_text(std::type_identity<PrincipalId>{},
                              std::string_view(file).substr(0, file.size() - key_suffix.size()));
    // A key without data: a crash between the two files of the first put. Nobody was promised it.
    if (!id || !disk.exists(people.file_of(*id))) continue;
    const std::string path = people.folder_ + "/" + file;
    TRY_ASSIGN(const std::string key, world::read_file(disk, path, max_file));
    if (key.find_first_not_of('\0') == std::string::npos) {  // a crash in the midst of erase()
      TRY(people.erase(*id));
      continue;
    }
    auto person = people.get(*id);
    if (!person) return std::move(person).error().during("reading " + people.file_of(*id));
    const Digest index = people.email_index(person->email);
    people.known_[*id] = index;
    if (index) people.by_email_[index] = *id;
  }
  return people;
}

Result<Secret> People::key_of(PrincipalId id) const {
  const std::string path = file_of(id) + std::string(key_suffix);
  if (!disk_->exists(path)) return not_found("nothing is known about this person");
  TRY_ASSIGN(const std::string blob, world::read_file(*disk_, path, max_file));
  return unseal(master_->derived("people.keys", to_text(id)), to_text(id), blob);
}

Result<void> People::put(PrincipalId id, const Person& person) {
  TRY(check_person(person));
  const Digest index = email_index(person.email);
  const auto taken = index ? by_email_.find(index) : by_email_.end();
  if (taken != by_email_.end() && taken->second != id) {
    return conflict("another person has this address").at("email");
  }
  auto key = key_of(id);
  if (!key) {
    if (key.error().code != Code::not_found) return std::move(key).error();
    std::array<std::byte, 32> random{};
    entropy_->fill(random);
    key = Secret(std::string(reinterpret_cast<const char*>(random.data()), random.size()));
    const std::string blob = seal(master_->derived("people.keys", to_text(id)), to_text(id),
                                  key->reveal(), *entropy_);
    TRY(world::replace_file(*disk_, file_of(id) + std::string(key_suffix), blob));
  }
  const Secret plain(json::write(person));
  TRY(world::replace_file(*disk_, file_of(id),
                          seal(*key, to_text(id), plain.reveal(), *entropy_)));
  const auto before = known_.find(id);
  if (before != known_.end() && before->second) by_email_.erase(before->second);
  known_[id] = index;
  if (index) by_email_[index] = id;
  return {};
}

Result<Person> People::get(PrincipalId id) const {
  TRY_ASSIGN(const Secret key, key_of(id));
  if (!disk_->exists(file_of(id))) return not_found("nothing is known about this person");
  TRY_ASSIGN(const std::string blob, world::read_file(*disk_, file_of(id), max_file));
  TRY_ASSIGN(const Secret plain, unseal(key, to_text(id), blob));
  return json::read<Person>(plain.reveal());
}

PrincipalId People::find_by_email(std::string_view email) const {
  const auto at = by_email_.find(email_index(email));
  return at == by_email_.end() ? PrincipalId{} : at->second;
}

std::vector<PrincipalId> People::list() const {
  std::vector<PrincipalId> ids;
  for (const auto& [id, index] : known_) ids.push_back(id);
  return ids;
}

Result<void> People::erase(PrincipalId id) {
  const std::string path = file_of(id) + std::string(key_suffix);
  if (disk_->exists(path)) {
    TRY(destroy(*disk_, path));
    TRY(disk_->sync_directory(folder_));  // from here on the data is noise
  }
  if (disk_->exists(file_of(id))) {
    TRY(disk_->remove(file_of(id)));
    TRY(disk_->sync_directory(folder_));
  }
  const auto at = known_.find(id);
  if (at == known_.end()) return {};
  if (at->second) by_email_.erase(at->second);
  known_.erase(at);
  return {};
}

}  // namespace bessemer::secret
