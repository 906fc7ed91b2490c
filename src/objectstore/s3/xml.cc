#include "src/objectstore/s3/xml.h"

#include <cstring>
#include <pugixml.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "src/base/status.h"
#include "src/objectstore/s3/credentials_servers.h"

namespace mooring::objectstore {
namespace {

constexpr size_t kMaxCodeBytes = 64;

absl::Status NotWhole(const char* what) {
  return absl::UnavailableError(absl::StrCat("the answer is not a whole ", what, " document"));
}

pugi::xml_node Root(pugi::xml_document& document, std::string_view body, const char* name) {
  if (!document.load_buffer(body.data(), body.size())) return {};
  return document.child(name);
}

// The text of the child `name`, decoded where `document` says that its keys are encoded: then they
// may hold what XML cannot.
std::string Key(const pugi::xml_node& document, const pugi::xml_node& node, const char* name) {
  const std::string_view text = node.child_value(name);
  if (std::strcmp(document.child_value("EncodingType"), "url") != 0) return std::string(text);
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
        absl::ascii_isxdigit(text[i + 2])) {
      decoded += absl::HexStringToBytes(ToAbsl(text.substr(i + 1, 2)));
      i += 2;
    } else {
      decoded += text[i] == '+' ? ' ' : text[i];
    }
  }
  return decoded;
}

}  // namespace

std::string ParseErrorCode(std::string_view body) {
  pugi::xml_document document;
  std::string code;
  pugi::xml_node root = Root(document, body, "Error");
  // As STS answers.
  if (!root) root = document.child("ErrorResponse").child("Error");
  for (const char* c = root.child_value("Code"); *c != '\0'; ++c) {
    if (!absl::ascii_isalnum(*c) || code.size() == kMaxCodeBytes) return "";
    code += *c;
  }
  return code;
}

absl::StatusOr<ListedPage> ParseListing(std::string_view body) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(document, body, "ListBucketResult");
  const char* truncated = root.child_value("IsTruncated");
  if (!root || *truncated == '\0') return NotWhole("ListBucketResult");
  ListedPage page;
  page.truncated = std::strcmp(truncated, "true") == 0;
  page.next = root.child_value("NextContinuationToken");
  for (const pugi::xml_node object : root.children("Contents")) {
    ObjectInfo info;
    info.key = Key(root, object, "Key");
    info.size = object.child("Size").text().as_llong(-1);
    if (info.key.empty() || info.size < 0) return NotWhole("ListBucketResult");
    page.objects.push_back(std::move(info));
  }
  return page;
}

absl::StatusOr<Credentials> ParseSts(std::string_view body) {
  pugi::xml_document document;
  const pugi::xml_node node = Root(document, body, "AssumeRoleWithWebIdentityResponse")
                                  .child("AssumeRoleWithWebIdentityResult")
                                  .child("Credentials");
  Credentials credentials;
  credentials.access_key_id = node.child_value("AccessKeyId");
  credentials.secret_access_key = node.child_value("SecretAccessKey");
  credentials.session_token = node.child_value("SessionToken");
  if (!IsComplete(credentials) || credentials.session_token.empty() ||
      !absl::ParseTime(absl::RFC3339_full, node.child_value("Expiration"), &credentials.expiry,
                       nullptr)) {
    return NotWhole("AssumeRoleWithWebIdentityResponse");
  }
  return credentials;
}

absl::StatusOr<UploadsPage> ParseUploads(std::string_view body) {
  pugi::xml_document document;
  const pugi::xml_node root = Root(document, body, "ListMultipartUploadsResult");
  const char* truncated = root.child_value("IsTruncated");
  if (!root || *truncated == '\0') return NotWhole("ListMultipartUploadsResult");
  UploadsPage page;
  page.truncated = std::strcmp(truncated, "true") == 0;
  page.next_key = Key(root, root, "NextKeyMarker");
  page.next_id = root.child_value("NextUploadIdMarker");
  for (const pugi::xml_node node : root.children("Upload")) {
    UploadsPage::Upload upload;
    upload.key = Key(root, node, "Key");
    upload.id = node.child_value("UploadId");
    const bool dated =
        absl::ParseTime(absl::RFC3339_full, node.child_value("Initiated"), &upload.begun, nullptr);
    if (upload.key.empty() || upload.id.empty() || !dated) {
      return NotWhole("ListMultipartUploadsResult");
    }
    page.uploads.push_back(std::move(upload));
  }
  return page;
}

absl::StatusOr<std::string> ParseUploadId(std::string_view body) {
  pugi::xml_document document;
  std::string id = Root(document, body, "InitiateMultipartUploadResult").child_value("UploadId");
  if (id.empty()) return NotWhole("InitiateMultipartUploadResult");
  return id;
}

bool IsCompleted(std::string_view body) {
  pugi::xml_document document;
  return static_cast<bool>(Root(document, body, "CompleteMultipartUploadResult"));
}

std::string CompleteUploadBody(const std::vector<std::string>& etags) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("CompleteMultipartUpload");
  for (size_t i = 0; i < etags.size(); ++i) {
    pugi::xml_node part = root.append_child("Part");
    part.append_child("PartNumber").text().set(static_cast<unsigned>(i + 1));
    part.append_child("ETag").text().set(etags[i].c_str());
  }
  std::ostringstream out;
  document.save(out, "", pugi::format_raw);
  return out.str();
}

}  // namespace mooring::objectstore
