#include "src/objectstore/s3/xml.h"

#include <cstring>
#include <pugixml.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

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

}  // namespace

std::string ParseErrorCode(std::string_view body) {
  pugi::xml_document document;
  std::string code;
  for (const char* c = Root(document, body, "Error").child_value("Code"); *c != '\0'; ++c) {
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
  for (const pugi::xml_node object : root.children("Contents")) {
    ObjectInfo info;
    info.key = object.child_value("Key");
    info.size = object.child("Size").text().as_llong(-1);
    if (info.key.empty() || info.size < 0) return NotWhole("ListBucketResult");
    page.objects.push_back(std::move(info));
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
