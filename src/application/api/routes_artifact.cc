// Bytes up and down: uploads that can be resumed, trees by digest, and what a project keeps.
#include <algorithm>
#include <cstring>
#include <set>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "data/artifact/manifest.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr std::size_t max_waiting = 64;           // jobs of the store before uploads are put off
constexpr std::size_t blob_piece = 256 * 1024;    // bytes read at a time

struct ArtifactView {
  Digest digest;
  artifact::Kind kind = artifact::Kind::other;
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
  Instant created_at;
  PrincipalId created_by;
  std::set<std::string> references;
};
DESCRIBE(ArtifactView, digest, kind, bytes, files, created_at, created_by, references)

Result<Page<ArtifactView>> list_artifacts(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  std::vector<const artifact::Artifact*> all;
  const auto held = call.state().artifact.projects.find(project);
  if (held != call.state().artifact.projects.end()) {
    for (const auto& [digest, one] : held->second.artifacts) all.push_back(&one);
  }
  return paginate<ArtifactView>(
      call, all, [](const artifact::Artifact* one) { return to_text(one->digest); },
      [](const artifact::Artifact* one) {
        return ArtifactView{one->digest,     one->kind,       one->bytes,     one->files,
                            one->created_at, one->created_by, one->references};
      });
}

// ---- uploads

struct BeginUpload {
  Digest digest;
  std::uint64_t bytes = 0;
};
DESCRIBE(BeginUpload, digest, bytes)

struct UploadView {
  UploadId id;
  std::uint64_t arrived = 0;
};
DESCRIBE(UploadView, id, arrived)

// The same upload for the same bytes of a project: begun again, it goes on.
UploadId upload_id(OrgId project, const Digest& digest) {
  const Digest name = sha256("upload " + to_text(project) + " " + to_text(digest));
  UploadId id;
  std::memcpy(&id.high, name.bytes.data(), 8);
  std::memcpy(&id.low, name.bytes.data() + 8, 8);
  return id;
}

// Room in the storage quota for one upload more. What has been announced counts until it is
// published or expires.
Result<void> check_room(Call& call, const artifact::Upload& upload) {
  const auto path = tenant::ancestors(call.state().tenant, upload.project);
  const auto room = quota::headroom(call.state().quota, path, quota::Counted::storage_bytes);
  std::uint64_t wanted = upload.bytes, count = 0;
  for (const auto& [id, other] : call.services().store.uploads) {
    if (id == upload.id || other.project != upload.project) continue;
    wanted += other.bytes;
    ++count;
  }
  if (count >= artifact::max_tree_files) {
    return exhausted("at most 200000 uploads of a project may wait to be published")
        .fix("publish the tree that they belong to");
  }
  if (!room.node || wanted <= room.left) return {};
  std::string what = "the storage quota has " + std::to_string(room.left) + " bytes left";
  if (wanted > upload.bytes) {
    what += ", of which " + std::to_string(wanted - upload.bytes) +
            " belong to uploads that are not published yet";
  }
  return exhausted(std::move(what))
      .at("bytes")
      .because("quota_exhausted")
      .fix("delete what is not needed, or ask for a larger quota");
}

template <class View>
Reply reply_of(const View& view) {
  Reply reply;
  json::write(reply.body, view);
  return reply;
}

// Runs `work` on the store's thread and answers with what it gives.
template <class Work>
void answer_from_store(const std::shared_ptr<Call>& call, const server::Responder& responder,
                       Work work) {
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    auto reply = std::make_shared<Result<Reply>>(work(store));
    return [=] { call->answer(responder, std::move(*reply)); };
  });
}

Result<void> begin_upload(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const auto body, detail::BodyOf<InProject<BeginUpload>>::read(call->body()));
  TRY_ASSIGN(const OrgId project, call->org(body.project));
  TRY(call->permit(project));
  TRY(tenant::open_node(call->state().tenant, project));
  if (!body.rest.digest) return invalid("is required").at("digest");
  artifact::Upload upload;
  upload.tenant = tenant::tenant_of(call->state().tenant, project);
  upload.project = project;
  upload.id = upload_id(project, body.rest.digest);
  upload.bytes = body.rest.bytes;
  upload.digest = body.rest.digest;
  upload.started_at = call->now();
  TRY(check_room(*call, upload));
  call->services().store.uploads.emplace(upload.id, upload);
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    auto reply = std::make_shared<Result<Reply>>([&]() -> Result<Reply> {
      TRY(store.begin(upload));
      TRY_ASSIGN(const std::uint64_t arrived, store.arrived(upload.tenant, upload.id));
      return reply_of(UploadView{upload.id, arrived});
    }());
    return [=] {
      // One that was begun before with another size is still that one.
      if (!*reply && (*reply).error().code != Code::conflict) {
        call->services().store.uploads.erase(upload.id);
      }
      call->answer(responder, std::move(*reply));
    };
  });
  return {};
}

// The upload named by the part {upload}, which the caller may go on with.
Result<artifact::Upload> named_upload(Call& call) {
  const auto unknown = [] {
    return not_found("no such upload is under way").fix("begin it again: it goes on");
  };
  const auto id = from_text(std::type_identity<UploadId>{}, call.part("upload"));
  if (!id) return unknown();
  const auto found = call.services().store.uploads.find(*id);
  if (found == call.services().store.uploads.end()) return unknown();
  if (!call.permit(found->second.project)) return unknown();
  return found->second;
}

Result<void> append_upload(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const artifact::Upload upload, named_upload(*call));
  const auto offset = parse_unsigned(call->query("offset").value_or(""));
  if (!offset) return invalid("must be a whole number").at("offset");
  if (call->services().store.waiting() > max_waiting) {
    return unavailable("the store is busy").retried(Retry::later, seconds(1).ns);
  }
  // The body lives until the answer: the request is not over before that.
  answer_from_store(call, responder, [=, piece = std::string(call->body())](
                                         artifact::Store& store) -> Result<Reply> {
    TRY_ASSIGN(const std::uint64_t arrived,
               store.append(upload.tenant, upload.id, *offset, piece));
    return reply_of(UploadView{upload.id, arrived});
  });
  return {};
}

// Bytes that are not what was announced are dropped, and the upload with them.
Result<void> commit_upload(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const artifact::Upload upload, named_upload(*call));
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    const auto blob = std::make_shared<Result<artifact::Blob>>(
        store.commit(upload.tenant, upload.id, upload.digest));
    return [=] {
      auto& uploads = call->services().store.uploads;
      if (*blob) {
        const auto known = uploads.find(upload.id);
        if (known != uploads.end()) known->second.committed = true;
        return call->answer(responder, reply_of(UploadView{upload.id, (*blob)->bytes}));
      }
      if ((*blob).error().code == Code::invalid) uploads.erase(upload.id);
      call->answer(responder, (*blob).error());
    };
  });
  return {};
}

// What has arrived is dropped, and no longer counts against the quota. An upload that has ended is
// given up the same: its bytes go with the next collection, unless a tree names them.
Result<void> abandon_upload(const std::shared_ptr<Call>& call,
                            const server::Responder& responder) {
  TRY_ASSIGN(const artifact::Upload upload, named_upload(*call));
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    auto gone = upload.committed
                    ? store.settle(upload.tenant, upload.project, {upload.digest})
                    : store.abandon(upload.tenant, upload.id);
    if (!gone && gone.error().code == Code::not_found) gone = Result<void>();
    return [=] {
      if (!gone) return call->answer(responder, gone.error());
      call->services().store.uploads.erase(upload.id);
      call->answer(responder, Reply{});
    };
  });
  return {};
}

// ---- trees

struct TreeView {
  Digest tree;
  std::vector<Digest> missing;  // blobs to upload before it can be published
  std::uint64_t bytes = 0;
  std::uint64_t files = 0;
};
DESCRIBE(TreeView, tree, missing, bytes, files)

// Blobs that a project may name: what it uploaded, and what its own trees hold. That the tenant's
// other projects have the same bytes is nothing it can ask.
struct Nameable {
  std::set<Digest> uploaded;
  std::vector<Digest> trees;  // newest first
};

constexpr std::size_t searched_trees = 10'000;     // further ones: their blobs are sent again
constexpr std::size_t searched_files = 2'000'000;

Nameable nameable_by(Call& call, OrgId project) {
  Nameable names;
  for (const auto& [id, upload] : call.services().store.uploads) {
    if (upload.committed && upload.project == project) names.uploaded.insert(upload.digest);
  }
  const auto held = call.state().artifact.projects.find(project);
  if (held == call.state().artifact.projects.end()) return names;
  std::vector<const artifact::Artifact*> all;
  for (const auto& [digest, one] : held->second.artifacts) all.push_back(&one);
  std::ranges::sort(all, std::ranges::greater(),
                    [](const auto* one) { return std::pair(one->created_at, one->digest); });
  if (all.size() > searched_trees) all.resize(searched_trees);
  for (const artifact::Artifact* one : all) names.trees.push_back(one->digest);
  return names;
}

// The blobs of the manifest that the project must upload first, each once.
Result<std::vector<Digest>> to_upload(const artifact::Store& store, OrgId tenant,
                                      const Nameable& names,
                                      const artifact::Manifest& manifest) {
  std::set<Digest> wanted;
  for (const artifact::Entry& entry : manifest.entries) {
    if (!names.uploaded.contains(entry.digest)) wanted.insert(entry.digest);
  }
  std::size_t searched = 0;
  for (const Digest& digest : names.trees) {
    if (wanted.empty() || searched > searched_files) break;
    TRY_ASSIGN(const artifact::Manifest own, store.tree(tenant, digest));
    for (const artifact::Entry& entry : own.entries) wanted.erase(entry.digest);
    searched += own.entries.size();
  }
  TRY_ASSIGN(const auto absent, store.missing(tenant, manifest));
  wanted.insert(absent.begin(), absent.end());
  return std::vector<Digest>(wanted.begin(), wanted.end());
}

// A published tree's uploads have served.
void settle_uploads(Call& call, OrgId tenant, OrgId project, std::set<Digest> blobs) {
  std::erase_if(call.services().store.uploads, [&](const auto& one) {
    return one.second.committed && one.second.project == project &&
           blobs.contains(one.second.digest);
  });
  call.services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    (void)store.settle(tenant, project, blobs).has_value();  // else they expire
    return {};
  });
}

// The body is the tree's canonical text. Published when nothing is missing.
Result<void> publish_tree(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const OrgId project, queried_org(*call, "project"));
  TRY(tenant::open_node(call->state().tenant, project));
  TRY_ASSIGN(const artifact::Manifest manifest, artifact::parse_manifest(call->body()));
  const OrgId tenant = tenant::tenant_of(call->state().tenant, project);
  const Nameable names = nameable_by(*call, project);
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    auto view = std::make_shared<Result<TreeView>>([&]() -> Result<TreeView> {
      TreeView made{artifact::digest_of(manifest), {}, artifact::bytes_of(manifest),
                    manifest.entries.size()};
      TRY_ASSIGN(made.missing, to_upload(store, tenant, names, manifest));
      if (made.missing.empty()) TRY(store.publish(tenant, manifest));
      return made;
    }());
    return [=] {
      if (!*view) return call->answer(responder, view->error());
      if ((*view)->missing.empty()) {
        artifact::Publish publish;
        publish.project = project;
        publish.digest = (*view)->tree;
        publish.bytes = (*view)->bytes;
        publish.files = (*view)->files;
        const auto written = call->submit(artifact::Command(std::move(publish)));
        if (!written) return call->answer(responder, written.error());
        std::set<Digest> blobs;
        for (const artifact::Entry& entry : manifest.entries) blobs.insert(entry.digest);
        settle_uploads(*call, tenant, project, std::move(blobs));
      }
      call->answer(responder, reply_of(**view));
    };
  });
  return {};
}

Result<Digest> named_digest(const Call& call) {
  const auto digest = from_text(std::type_identity<Digest>{}, call.part("digest"));
  if (!digest || !*digest) return not_found("no such artifact");
  return *digest;
}

Result<void> get_tree(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const OrgId project, queried_org(*call, "project"));
  TRY_ASSIGN(const Digest digest, named_digest(*call));
  if (artifact::find(call->state().artifact, project, digest) == nullptr) {
    return not_found("the project has no such artifact");
  }
  const OrgId tenant = tenant::tenant_of(call->state().tenant, project);
  call->services().store.post([=](artifact::Store& store) -> StoreQueue::Then {
    auto manifest = std::make_shared<Result<artifact::Manifest>>(store.tree(tenant, digest));
    return [=] {
      if (!*manifest) return call->answer(responder, manifest->error());
      server::Answer answer;
      answer.content_type = "text/plain; charset=utf-8";
      answer.body = artifact::to_text(**manifest);
      responder.answer(std::move(answer));
    };
  });
  return {};
}

// Sends a blob piece by piece, no faster than it is taken.
class Sending : public std::enable_shared_from_this<Sending> {
 public:
  Sending(std::shared_ptr<Call> call, server::Responder responder, OrgId tenant, Digest tree,
          Digest blob)
      : call_(std::move(call)), responder_(std::move(responder)), tenant_(tenant), tree_(tree),
        blob_(blob) {}

  void start() {
    call_->services().store.post([self = shared_from_this()](artifact::Store& store)
                                     -> StoreQueue::Then {
      auto bytes = std::make_shared<Result<std::uint64_t>>(self->find_blob(store));
      return [self, bytes] {
        if (!*bytes) return self->call_->answer(self->responder_, bytes->error());
        self->responder_.begin(200, "application/octet-stream", {},
                               static_cast<std::int64_t>(**bytes));
        self->responder_.when_room([self] { self->resume(); });
        self->next();
      };
    });
  }

 private:
  // The blob must be a file of the tree: another project's bytes are not found.
  Result<std::uint64_t> find_blob(artifact::Store& store) const {
    TRY_ASSIGN(const artifact::Manifest manifest, store.tree(tenant_, tree_));
    for (const artifact::Entry& entry : manifest.entries) {
      if (entry.digest == blob_) return store.blob_bytes(tenant_, blob_);
    }
    return not_found("the tree has no such file");
  }

  void resume() {
    if (!paused_) return;
    paused_ = false;
    next();
  }

  void next() {
    if (responder_.gone()) return;
    call_->services().store.post([self = shared_from_this()](artifact::Store& store)
                                     -> StoreQueue::Then {
      auto piece = std::make_shared<std::string>(blob_piece, '\0');
      const auto got = store.read(self->tenant_, self->blob_, self->offset_, *piece);
      if (!got) return [self] { self->responder_.abort(); };
      piece->resize(*got);
      return [self, piece] {
        if (piece->empty()) return self->responder_.end();
        self->offset_ += piece->size();
        const server::Flow flow = self->responder_.write(std::move(*piece));
        if (flow == server::Flow::more) self->next();
        if (flow == server::Flow::wait) self->paused_ = true;
      };
    });
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
  OrgId tenant_;
  Digest tree_, blob_;
  std::uint64_t offset_ = 0;
  bool paused_ = false;
};

Result<void> get_blob(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const OrgId project, queried_org(*call, "project"));
  TRY_ASSIGN(const Digest digest, named_digest(*call));
  const auto tree = from_text(std::type_identity<Digest>{}, call->query("tree").value_or(""));
  if (!tree || !*tree) return invalid("must be the digest of the file's tree").at("tree");
  if (artifact::find(call->state().artifact, project, *tree) == nullptr) {
    return not_found("the project has no such artifact");
  }
  const OrgId tenant = tenant::tenant_of(call->state().tenant, project);
  std::make_shared<Sending>(call, responder, tenant, *tree, digest)->start();
  return {};
}

}  // namespace

Table artifact_routes() {
  const Parameter project{"project", "path or id of the project"};
  Table table = {
      route<&list_artifacts>(Method::get, "/api/v1/artifacts", "list_artifacts",
                             "What a project keeps, by digest", Resource::artifact, Action::list,
                             with_page({project})),
      stream_route<&begin_upload>(Method::post, "/api/v1/uploads", "begin_upload",
                                  "Begin an upload, or go on with one", Resource::artifact,
                                  Action::create),
      stream_route<&append_upload>(Method::patch, "/api/v1/uploads/{upload}", "append_upload",
                                   "Append bytes", Resource::artifact, Action::create,
                                   {{"offset", "where the bytes belong: what has arrived"}}),
      stream_route<&commit_upload>(Method::post, "/api/v1/uploads/{upload}/commit",
                                   "commit_upload", "Check the digest and keep the bytes",
                                   Resource::artifact, Action::create),
      stream_route<&publish_tree>(Method::post, "/api/v1/trees", "publish_tree",
                                  "Name a tree, or say which bytes are missing",
                                  Resource::artifact, Action::create, {project}),
      stream_route<&get_tree>(Method::get, "/api/v1/trees/{digest}", "get_tree",
                              "The files of a tree", Resource::artifact, Action::read, {project}),
      stream_route<&get_blob>(Method::get, "/api/v1/blobs/{digest}", "get_blob",
                              "The bytes of a file of a tree", Resource::artifact, Action::read,
                              {project, {"tree", "digest of a tree of the project"}}),
      stream_route<&abandon_upload>(Method::del, "/api/v1/uploads/{upload}", "abandon_upload",
                                    "Give up an upload: what has arrived is dropped",
                                    Resource::artifact, Action::create),
  };
  table[1].request_schema = &detail::BodyOf<InProject<BeginUpload>>::schema;
  table[2].request_type = "application/octet-stream";
  table[2].max_body = artifact::max_piece;
  for (const std::size_t upload : {1u, 2u, 3u}) {
    table[upload].answer_schema = &json::schema<UploadView>;
  }
  table[4].request_type = "text/plain";
  table[4].answer_schema = &json::schema<TreeView>;
  table[4].max_body = artifact::max_manifest_bytes;
  table[5].answer_type = "text/plain";
  table[6].answer_type = "application/octet-stream";
  return table;
}

}  // namespace bessemer::api
