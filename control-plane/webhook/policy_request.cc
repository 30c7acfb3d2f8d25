#include "control-plane/webhook/policy_request.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace tulle::webhook {
namespace {

using SpecJson = nlohmann::json;

constexpr char kReviewVersion[] = "admission.k8s.io/v1";
constexpr size_t kLongestUid = 256;
constexpr size_t kBytesOfValue = 3;

// Builds one value from events, as far as it is not too large.
class SpecBuilder {
 public:
  void Begin(ReviewedSpec* spec) {
    *spec = {};
    spec_ = spec;
    values_ = bytes_ = 0;
  }
  bool is_active() const { return spec_ != nullptr; }

  void Key(const std::string& key) {
    if (!Count(key.size())) return;
    key_ = key;
  }
  void Scalar(SpecJson value, size_t bytes) {
    if (Count(bytes)) Add(std::move(value));
    if (levels_ == 0) spec_ = nullptr;
  }
  void Open(bool is_object) {
    ++levels_;
    if (Count(0)) open_.push_back(Add(is_object ? SpecJson::object() : SpecJson::array()));
  }
  void Close() {
    if (!spec_->is_too_large) open_.pop_back();
    if (--levels_ > 0) return;
    open_.clear();
    spec_ = nullptr;
  }

 private:
  bool Count(size_t bytes) {
    ++values_;
    bytes_ += bytes + kBytesOfValue;
    if (values_ > kMostSpecValues || bytes_ > kLargestSpec) spec_->is_too_large = true;
    return !spec_->is_too_large;
  }
  SpecJson* Add(SpecJson value) {
    if (open_.empty()) return &(spec_->json = std::move(value));
    SpecJson& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  ReviewedSpec* spec_ = nullptr;  // null: none is being read
  std::vector<SpecJson*> open_;
  std::string key_;
  size_t levels_ = 0;
  size_t values_ = 0;
  size_t bytes_ = 0;
};

class ReviewEvents final : public nlohmann::json_sax<SpecJson> {
 public:
  explicit ReviewEvents(PolicyRequest* request) : request_(request) {}

  bool is_review() const { return kind_ == "AdmissionReview" && version_ == kReviewVersion; }

  bool null() override { return Value(nullptr, 0); }
  bool boolean(bool value) override { return Value(value, 0); }
  bool number_integer(number_integer_t value) override { return Value(value, 0); }
  bool number_unsigned(number_unsigned_t value) override { return Value(value, 0); }
  bool number_float(number_float_t value, const string_t&) override { return Value(value, 0); }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& value) override {
    if (std::string* text = spec_.is_active() ? nullptr : TextHere()) *text = value;
    return spec_.is_active() || IsSpec() ? Value(value, value.size()) : Value(true, 0);
  }
  bool key(string_t& name) override {
    if (spec_.is_active()) {
      spec_.Key(name);
    } else {
      key_ = name;
    }
    return true;
  }
  bool start_object(size_t) override { return Open(PlaceHere(), /*is_object=*/true); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(Place::kElsewhere, /*is_object=*/false); }
  bool end_array() override { return Close(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  enum class Place : uint8_t { kElsewhere, kReview, kRequest, kKind, kObject, kMetadata, kOld };

  Place place() const { return places_.empty() ? Place::kElsewhere : places_.back(); }
  bool IsSpec() const {
    return key_ == "spec" && (place() == Place::kObject || place() == Place::kOld);
  }
  // Where the members of the object that begins are.
  Place PlaceHere() const {
    if (places_.empty()) return Place::kReview;
    if (place() == Place::kReview && key_ == "request") return Place::kRequest;
    if (place() == Place::kObject && key_ == "metadata") return Place::kMetadata;
    if (place() != Place::kRequest) return Place::kElsewhere;
    if (key_ == "kind") return Place::kKind;
    if (key_ == "oldObject") return Place::kOld;
    return key_ == "object" ? Place::kObject : Place::kElsewhere;
  }
  std::string* TextHere() {
    struct Text {
      Place place;
      const char* key;
      std::string* text;
    };
    PolicyRequest& to = *request_;
    const Text texts[] = {{Place::kReview, "kind", &kind_},
                          {Place::kReview, "apiVersion", &version_},
                          {Place::kRequest, "uid", &to.uid},
                          {Place::kRequest, "operation", &to.operation},
                          {Place::kRequest, "subResource", &to.sub_resource},
                          {Place::kRequest, "namespace", &to.ns},
                          {Place::kRequest, "name", &to.name},
                          {Place::kKind, "group", &to.group},
                          {Place::kKind, "version", &to.version},
                          {Place::kKind, "kind", &to.kind},
                          {Place::kMetadata, "name", &to.object_name},
                          {Place::kMetadata, "generateName", &to.generate_name}};
    if (place() == Place::kElsewhere) return nullptr;
    for (const Text& each : texts) {
      if (place() == each.place && key_ == each.key) return each.text;
    }
    return nullptr;
  }
  // False: the review is too large.
  bool Count() {
    request_->is_too_large = ++values_ > kMostReviewValues || places_.size() > kDeepest;
    return !request_->is_too_large;
  }
  // A value that is not null begins.
  void Note() {
    if (place() == Place::kRequest && key_ == "object") request_->has_object = true;
    if (place() == Place::kMetadata && key_ == "deletionTimestamp")
      request_->is_being_deleted = true;
  }
  void BeginSpec() {
    if (!spec_.is_active() && IsSpec())
      spec_.Begin(place() == Place::kOld ? &request_->old_spec : &request_->spec);
  }
  bool Value(SpecJson value, size_t bytes) {
    if (!value.is_null()) Note();
    BeginSpec();
    if (spec_.is_active()) spec_.Scalar(std::move(value), bytes);
    return Count();
  }
  bool Open(Place here, bool is_object) {
    Note();
    BeginSpec();
    if (spec_.is_active()) spec_.Open(is_object);
    places_.push_back(spec_.is_active() ? Place::kElsewhere : here);
    return Count();
  }
  bool Close() {
    if (spec_.is_active()) spec_.Close();
    places_.pop_back();
    return true;
  }

  PolicyRequest* request_;
  std::string kind_, version_;  // of the review
  std::string key_;             // outside of the specs
  std::vector<Place> places_;   // of what is open
  SpecBuilder spec_;
  size_t values_ = 0;
};

}  // namespace

std::string PolicyRequest::ObjectName() const {
  std::string shown = name.empty() ? object_name : name;
  if (shown.empty()) shown = generate_name + "?";
  return inject::Quoted(ns + "/" + shown);
}

std::variant<PolicyRequest, inject::ReviewAnswer> ReadPolicyRequest(std::string_view body) {
  if (body.size() > inject::kLargestReview) {
    return inject::ReviewAnswer{inject::ReviewResult::kInvalid, 413, "the review is too large\n",
                                "review too large"};
  }
  PolicyRequest request;
  ReviewEvents events(&request);
  const bool is_whole = SpecJson::sax_parse(body, &events);
  if (!is_whole && !request.is_too_large) return inject::BadReview("not JSON");
  if (is_whole && !events.is_review())
    return inject::BadReview(absl::StrCat("must be an AdmissionReview of ", kReviewVersion));
  if (request.uid.empty() || request.uid.size() > kLongestUid)
    return inject::BadReview("request.uid is required");
  return request;
}

}  // namespace tulle::webhook
