// SPDX-License-Identifier: Apache-2.0
#include "nft/batch.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "nft/user_data.h"
#include "nft/write_expression.h"

namespace snnet::nft {
namespace {

// The list of elements is one attribute, whose length has 16 bits.
constexpr size_t kMaxList = 60'000;
constexpr uint32_t kTypeBits = 6;  // nft's own numbering of concatenations (TYPE_BITS)

constexpr uint16_t Type(int message) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

// Elements of a set whose keys and data have one length look alike but for those.
class ElementWriter {
 public:
  ElementWriter(const Elements& elements, bool with_data)
      : elements_(elements), packed_(elements.packed().data()) {
    key_ = Padded(elements.key_bytes);
    stride_ = Stride(elements);
    if (with_data) data_ = Padded(elements.data_bytes);
    has_verdicts_ = with_data && !elements.verdicts.empty();
    size_t length = 3 * NLA_HDRLEN + key_;
    if (data_ > 0) length += 2 * NLA_HDRLEN + data_;
    pattern_.resize(length);
    Header(0, length, NFTA_LIST_ELEM | NLA_F_NESTED);
    Value(NLA_HDRLEN, NFTA_SET_ELEM_KEY, elements.key_bytes);
    if (data_ > 0) Value(3 * NLA_HDRLEN + key_, NFTA_SET_ELEM_DATA, elements.data_bytes);
  }

  // Writes from the element `first` on what one message takes; gives the next.
  size_t Write(Writer& writer, size_t first) const {
    const size_t count = CountOf(elements_);
    const size_t start = writer.size();
    const Writer::Nest list(writer, NFTA_SET_ELEM_LIST_ELEMENTS);
    if (!has_verdicts_) {
      const size_t room = (kMaxList - (writer.size() - start)) / pattern_.size();
      const size_t end = std::min(count, first + room);
      WritePlain(writer, first, end);
      return end;
    }
    size_t next = first;
    for (; next < count && writer.size() - start + SizeOf(next) <= kMaxList; ++next) {
      WriteWithVerdict(writer, next);
    }
    return next;
  }

 private:
  void Header(size_t at, size_t length, int type) {
    const nlattr header{static_cast<uint16_t>(length), static_cast<uint16_t>(type)};
    std::memcpy(pattern_.data() + at, &header, sizeof header);
  }
  void Value(size_t at, int attribute, uint32_t bytes) {
    Header(at, 2 * NLA_HDRLEN + Padded(bytes), attribute | NLA_F_NESTED);
    Header(at + NLA_HDRLEN, NLA_HDRLEN + bytes, NFTA_DATA_VALUE);
  }
  size_t SizeOf(size_t element) const {
    constexpr size_t kVerdict = 64;
    return pattern_.size() + kVerdict + elements_.verdicts[element].chain.size();
  }
  void WritePlain(Writer& writer, size_t first, size_t end) const {
    char* to = writer.Extend((end - first) * pattern_.size());
    for (size_t element = first; element < end; ++element, to += pattern_.size()) {
      const uint8_t* from = packed_ + element * stride_;
      std::memcpy(to, pattern_.data(), pattern_.size());
      std::memcpy(to + 3 * NLA_HDRLEN, from, key_);
      if (data_ > 0) std::memcpy(to + 5 * NLA_HDRLEN + key_, from + key_, data_);
    }
  }
  void WriteWithVerdict(Writer& writer, size_t element) const {
    const uint8_t* from = packed_ + element * stride_;
    const Writer::Nest member(writer, NFTA_LIST_ELEM);
    {
      const Writer::Nest key(writer, NFTA_SET_ELEM_KEY);
      writer.PutBytes(NFTA_DATA_VALUE, from, elements_.key_bytes);
    }
    const Writer::Nest data(writer, NFTA_SET_ELEM_DATA);
    WriteVerdict(writer, elements_.verdicts[element]);
  }

  const Elements& elements_;
  const uint8_t* packed_;
  size_t key_ = 0;
  size_t data_ = 0;
  size_t stride_ = 0;
  bool has_verdicts_ = false;
  std::vector<char> pattern_;
};

struct Builder {
  Batch& batch;
  const Handles& added;
  const std::function<uint32_t()>& next_sequence;
  const Command* command = nullptr;
  size_t index = 0;
  uint32_t set_id = 0;

  void Begin(int message, uint16_t flags, uint16_t table_attribute) {
    batch.writer.BeginMessage(Type(message), flags, next_sequence(), command->table.family);
    batch.writer.PutText(table_attribute, command->table.name);
    batch.owners.push_back(index);
  }
  Writer& writer() const { return batch.writer; }

  void operator()(const AddTable& table) {
    Begin(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, NFTA_TABLE_NAME);
    writer().PutU32(NFTA_TABLE_FLAGS, table.flags);
  }
  void operator()(const SetTable& table) {
    Begin(NFT_MSG_NEWTABLE, 0, NFTA_TABLE_NAME);
    writer().PutU32(NFTA_TABLE_FLAGS, table.flags);
  }
  void operator()(const DeleteTable&) { Begin(NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME); }

  void operator()(const AddChain& add) {
    Begin(NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, NFTA_CHAIN_TABLE);
    writer().PutText(NFTA_CHAIN_NAME, add.chain);
    if (!add.base) return;
    {
      const Writer::Nest hook(writer(), NFTA_CHAIN_HOOK);
      writer().PutU32(NFTA_HOOK_HOOKNUM, add.base->hook);
      writer().PutU32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(add.base->priority));
      if (!add.base->device.empty()) writer().PutText(NFTA_HOOK_DEV, add.base->device);
    }
    if (add.base->policy) writer().PutU32(NFTA_CHAIN_POLICY, *add.base->policy);
    writer().PutText(NFTA_CHAIN_TYPE, add.base->type);
  }
  void operator()(const DeleteChain& gone) {
    Begin(NFT_MSG_DELCHAIN, 0, NFTA_CHAIN_TABLE);
    writer().PutText(NFTA_CHAIN_NAME, gone.chain);
  }
  void operator()(const FlushChain& flush) {
    Begin(NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE);
    writer().PutText(NFTA_RULE_CHAIN, flush.chain);
  }

  void operator()(const AddSet& add);
  void PutDescription(const AddSet& add);
  void operator()(const DeleteSet& gone) {
    Begin(NFT_MSG_DELSET, 0, NFTA_SET_TABLE);
    writer().PutText(NFTA_SET_NAME, gone.set);
  }
  void operator()(const AddElements& add) {
    PutElements(add, true, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);
  }
  void operator()(const DeleteElements& gone) { PutElements(gone, false, NFT_MSG_DELSETELEM, 0); }
  void PutElements(const Elements& elements, bool with_data, int message, uint16_t flags);

  void operator()(const AddRule& add);
  void operator()(const DeleteRule& gone) {
    Begin(NFT_MSG_DELRULE, 0, NFTA_RULE_TABLE);
    writer().PutText(NFTA_RULE_CHAIN, gone.chain);
    uint64_t handle = gone.handle;
    if (gone.added_by) {
      const auto known = added.find(*gone.added_by);
      handle = known == added.end() ? 0 : known->second;
    }
    // Always there: without it, it would be the whole chain.
    writer().PutU64(NFTA_RULE_HANDLE, handle);
  }
};

uint32_t TypeOf(const std::vector<FieldType>& fields) {
  uint32_t type = 0;
  for (const FieldType& field : fields) type = type << kTypeBits | field.number;
  return type;
}

// The fields of a concatenation are padded to registers.
uint32_t LengthOf(const std::vector<FieldType>& fields) {
  if (fields.size() == 1) return fields.front().bytes;
  size_t length = 0;
  for (const FieldType& field : fields) length += Padded(field.bytes);
  return static_cast<uint32_t>(length);
}

void Builder::operator()(const AddSet& add) {
  Begin(NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, NFTA_SET_TABLE);
  uint32_t flags = add.flags;
  if (add.key.size() > 1) flags |= NFT_SET_CONCAT;
  if (add.has_verdicts || !add.data.empty()) flags |= NFT_SET_MAP;
  writer().PutText(NFTA_SET_NAME, add.set);
  writer().PutU32(NFTA_SET_FLAGS, flags);
  writer().PutU32(NFTA_SET_KEY_TYPE, TypeOf(add.key));
  writer().PutU32(NFTA_SET_KEY_LEN, LengthOf(add.key));
  if (add.has_verdicts) {
    writer().PutU32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
    writer().PutU32(NFTA_SET_DATA_LEN, 0);
  } else if (!add.data.empty()) {
    writer().PutU32(NFTA_SET_DATA_TYPE, TypeOf(add.data));
    writer().PutU32(NFTA_SET_DATA_LEN, LengthOf(add.data));
  }
  writer().PutU32(NFTA_SET_ID, ++set_id);
  PutDescription(add);
  const Bytes order = ByteOrderOf(add);
  writer().PutBytes(NFTA_SET_USERDATA, order.data(), order.size());
}

void Builder::PutDescription(const AddSet& add) {
  const bool is_concatenated = add.key.size() > 1;
  if (add.size == 0 && !is_concatenated) return;
  const Writer::Nest description(writer(), NFTA_SET_DESC);
  if (add.size != 0) writer().PutU32(NFTA_SET_DESC_SIZE, add.size);
  if (!is_concatenated) return;
  const Writer::Nest fields(writer(), NFTA_SET_DESC_CONCAT);
  for (const FieldType& field : add.key) {
    const Writer::Nest member(writer(), NFTA_LIST_ELEM);
    writer().PutU32(NFTA_SET_FIELD_LEN, field.bytes);
  }
}

void Builder::PutElements(const Elements& elements, bool with_data, int message, uint16_t flags) {
  const ElementWriter element_writer(elements, with_data);
  const size_t count = CountOf(elements);
  for (size_t next = 0; next < count;) {
    Begin(message, flags, NFTA_SET_ELEM_LIST_TABLE);
    writer().PutText(NFTA_SET_ELEM_LIST_SET, elements.set);
    next = element_writer.Write(writer(), next);
    if (next < count) writer().EndMessage();
  }
}

void Builder::operator()(const AddRule& add) {
  // Echoed, so that the rule's handle is known: the inverse has nothing else to go by.
  const int place = add.is_first ? 0 : NLM_F_APPEND;
  Begin(NFT_MSG_NEWRULE, static_cast<uint16_t>(NLM_F_CREATE | NLM_F_ECHO | place), NFTA_RULE_TABLE);
  writer().PutText(NFTA_RULE_CHAIN, add.chain);
  {
    const Writer::Nest list(writer(), NFTA_RULE_EXPRESSIONS);
    for (const Expression& expression : add.expressions) WriteExpression(writer(), expression);
  }
  if (add.comment.empty()) return;
  const Bytes comment = CommentOf(add);
  writer().PutBytes(NFTA_RULE_USERDATA, comment.data(), comment.size());
}

size_t SizeOf(const std::vector<Command>& commands) {
  size_t size = 1024 + commands.size() * 512;
  for (const Command& command : commands) {
    const Elements* elements = std::get_if<AddElements>(&command.action);
    if (elements == nullptr) elements = std::get_if<DeleteElements>(&command.action);
    if (elements != nullptr) size += elements->packed().size() + CountOf(*elements) * 20;
  }
  return size;
}

}  // namespace

Batch BuildBatch(const std::vector<Command>& commands, const Handles& added,
                 const std::function<uint32_t()>& next_sequence) {
  Batch batch;
  batch.writer.Reserve(SizeOf(commands));
  batch.begin = next_sequence();
  batch.writer.BeginMessage(NFNL_MSG_BATCH_BEGIN, 0, batch.begin, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  batch.writer.EndMessage();
  Builder builder{batch, added, next_sequence};
  for (const Command& command : commands) {
    builder.command = &command;
    const size_t before = batch.owners.size();
    std::visit(builder, command.action);
    if (batch.owners.size() > before) batch.writer.EndMessage();
    ++builder.index;
  }
  // Not of the end: before 6.10 the kernel does not answer that (net/netfilter/nfnetlink.c).
  if (!batch.owners.empty()) batch.writer.Acknowledge();
  batch.writer.BeginMessage(NFNL_MSG_BATCH_END, 0, next_sequence(), AF_UNSPEC,
                            NFNL_SUBSYS_NFTABLES);
  batch.writer.EndMessage();
  return batch;
}

}  // namespace snnet::nft
