/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_transfer.c - what travels with a message: words, bytes, capabilities
 */
#include "ktest.h"

#define EP (FREE + 0)
#define NOTE (FREE + 1)
#define BADGED (FREE + 2)
#define MEMORY (FREE + 3)
#define EP_BADGED (FREE + 4)
#define IN (FREE + 20)   /* where the receiver takes capabilities */
#define BACK (FREE + 40) /* where the caller takes them back */

/*
 * A thread that receives one message and leaves it in `got`, then answers it with what `answer` says.
 * The same CSpace serves both sides: only the slots are different.
 */
static struct {
    slot_t recv_slots[IPC_CAPS_MAX];
    slot_t reply_caps[IPC_CAPS_MAX];
    struct bh_msg answer;
    volatile uint64_t status, replied;
    struct bh_msg got;
    volatile uint64_t rounds;
} server;

static void serve(uint64_t unused)
{
    struct ipc_buffer *buffer = kt_threads[0].ipcbuf;

    (void)unused;
    for (;;) {
        for (unsigned i = 0; i < IPC_CAPS_MAX; i++)
            buffer->recv_slots[i] = server.recv_slots[i];
        server.status = bh_endpoint_recv(EP, BH_FOREVER, &server.got);
        for (unsigned i = 0; i < IPC_CAPS_MAX; i++)
            buffer->caps[i] = server.reply_caps[i];
        server.replied = bh_endpoint_reply(&server.answer);
        server.rounds++;
    }
}

static void start(uint32_t pcpu)
{
    server.answer = (struct bh_msg){.info = INFO(9, 0, 0, 0)};
    server.rounds = 0;
    server.status = server.replied = 1000;
    for (unsigned i = 0; i < IPC_CAPS_MAX; i++) {
        server.recv_slots[i] = server.reply_caps[i] = 0;
        bh_ipcbuf->recv_slots[i] = bh_ipcbuf->caps[i] = 0;
    }
    EXPECT(kt_make(CAP_ENDPOINT, 0, EP), OK);
    EXPECT(kt_make(CAP_NOTIFICATION, 0, NOTE), OK);
    EXPECT(kt_mint(NOTE, BADGED, RIGHT_WRITE, 6), OK);
    EXPECT(kt_mint(EP, EP_BADGED, RIGHT_WRITE, 0xabcd), OK);
    kt_spawn(0, pcpu, serve, 0);
    kt_sleep_ms(2);
}

static bool is_empty(slot_t slot)
{
    return kt_copy(slot, FREE + 400, RIGHT_ALL) == ERR_CAP;
}

static enum status call(uint32_t caps, struct bh_msg *m)
{
    *m = (struct bh_msg){.info = INFO(4, 1, 0, caps), .w = {42}};
    return bh_endpoint_call(EP, bh_after_ms(2000), m);
}

TEST(transfer, every_word_arrives)
{
    struct bh_msg m = {.info = INFO(0xfedcba98, 6, 0, 0), .w = {1, 2, 3, 4, 5, UINT64_MAX}};

    start(0);
    EXPECT(bh_endpoint_call(EP_BADGED, BH_FOREVER, &m), OK);
    EXPECT(server.got.badge, 0xabcd);
    EXPECT(INFO_LABEL(server.got.info), 0xfedcba98);
    EXPECT(INFO_WORDS(server.got.info), 6);
    for (unsigned i = 0; i < 5; i++)
        EXPECT(server.got.w[i], i + 1);
    EXPECT(server.got.w[5], UINT64_MAX);
    EXPECT(INFO_LABEL(m.info), 9);
    EXPECT(m.badge, 0);
}

TEST(transfer, sender_cannot_make_itself_the_kernel)
{
    struct bh_msg m = {.info = INFO(1, 1, 0, 0) | INFO_SIGNAL | INFO_EXIT | 1u << 19 | 1u << 31};

    start(0);
    EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), OK);
    EXPECT(server.got.info, INFO(1, 1, 0, 0));
    m = (struct bh_msg){.info = INFO(1, 1, 8, 0) | INFO_SIGNAL | INFO_EXIT};
    EXPECT(bh_endpoint_call(EP, bh_after_ms(2000), &m), OK);
    EXPECT(server.got.info, INFO(1, 1, 8, 0));
    server.answer.info = INFO(2, 1, 0, 0) | INFO_SIGNAL | INFO_EXIT;
    EXPECT(bh_endpoint_call(EP, BH_FOREVER, &m), OK);
    EXPECT(m.info, INFO(2, 1, 0, 0));
}

/* Exactly the bytes of the message, and none of what stands behind them. */
static void bytes_on(uint32_t pcpu)
{
    static const uint32_t sizes[] = {1, 7, 8, 9, 63, 64, 65, 200, 1023, 1024};
    struct bh_msg m;

    start(pcpu);
    struct ipc_buffer *theirs = kt_threads[0].ipcbuf;
    for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        for (unsigned i = 0; i < IPC_BYTES_MAX; i++) {
            bh_ipcbuf->data[i] = (uint8_t)(i * 7 + k);
            theirs->data[i] = 0xee;
        }
        m = (struct bh_msg){.info = INFO(1, 0, sizes[k], 0)};
        EXPECT(bh_endpoint_call(EP, k & 1 ? BH_FOREVER : bh_after_ms(2000), &m), OK);
        EXPECT(INFO_BYTES(server.got.info), sizes[k]);
        for (unsigned i = 0; i < IPC_BYTES_MAX; i++)
            EXPECT(theirs->data[i], i < sizes[k] ? (uint8_t)(i * 7 + k) : 0xee);
        /* And back. */
        for (unsigned i = 0; i < IPC_BYTES_MAX; i++)
            theirs->data[i] = (uint8_t)(i * 3 + k);
        server.answer.info = INFO(9, 0, sizes[k], 0);
        m = (struct bh_msg){.info = INFO(1, 0, 0, 0)};
        EXPECT(bh_endpoint_call(EP, k & 1 ? BH_FOREVER : bh_after_ms(2000), &m), OK);
        EXPECT(INFO_BYTES(m.info), sizes[k]);
        for (unsigned i = 0; i < sizes[k]; i++)
            EXPECT(bh_ipcbuf->data[i], (uint8_t)(i * 3 + k));
    }
}

TEST(transfer, bytes_arrive_and_no_more_than_those)
{
    bytes_on(0);
}
TEST(transfer, bytes_arrive_elsewhere_and_no_more_than_those)
{
    bytes_on(kt_boot->pcpu_count - 1);
}

TEST(transfer, without_a_buffer_only_words_travel)
{
    struct bh_msg m = {.info = INFO(1, 1, 16, 0), .w = {5}};

    start(0);
    EXPECT(kt_revoke(kt_threads[0].ipcbuf_frame), OK); /* the server has none any more */
    EXPECT(bh_endpoint_call(EP, bh_after_ms(2000), &m), OK);
    EXPECT(server.got.info, INFO(1, 1, 0, 0));
    EXPECT(server.got.w[0], 5);
    /* It cannot send bytes or capabilities. */
    m = (struct bh_msg){.info = INFO(1, 0, 0, 0)};
    server.answer.info = INFO(1, 0, 8, 0);
    EXPECT(bh_endpoint_call(EP, bh_after_ms(20), &m), ERR_PEER); /* it goes on receiving without an answer */
    EXPECT(server.replied, ERR_STATE);
}

TEST(transfer, capabilities_arrive_as_children_of_the_senders)
{
    struct bh_msg m;
    uint64_t bits;

    start(0);
    for (unsigned i = 0; i < IPC_CAPS_MAX; i++)
        server.recv_slots[i] = IN + i;
    bh_ipcbuf->caps[0] = BADGED;
    bh_ipcbuf->caps[1] = EP;
    EXPECT(kt_threads[0].ipcbuf->recv_caps, 0);
    m = (struct bh_msg){.info = INFO(0, 0, 0, 0)};
    EXPECT(call(0, &m), OK); /* so that the server takes its receive slots */
    EXPECT(call(2, &m), OK);
    EXPECT(INFO_CAPS(server.got.info), 2);
    EXPECT(kt_threads[0].ipcbuf->recv_caps, 2);
    EXPECT(is_empty(IN), 0);
    EXPECT(is_empty(IN + 1), 0);
    EXPECT(is_empty(IN + 2), 1);
    /* Badge and rights are the sender's. */
    EXPECT(bh_notification_signal(IN), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    EXPECT(bits, 6);
    EXPECT(bh_notification_wait(IN, 0, &bits), ERR_RIGHT);
    EXPECT(kt_mint(IN, FREE + 60, RIGHT_ALL, 1), ERR_STATE);
    /* And the sender can take it away. */
    EXPECT(kt_revoke(BADGED), OK);
    EXPECT(is_empty(IN), 1);
}

TEST(transfer, capabilities_come_back_with_the_answer)
{
    struct bh_msg m;
    uint64_t bits;

    start(0);
    server.reply_caps[0] = BADGED;
    server.answer.info = INFO(0, 0, 0, 1);
    bh_ipcbuf->recv_slots[0] = BACK;
    EXPECT(call(0, &m), OK);
    EXPECT(INFO_CAPS(m.info), 1);
    EXPECT(bh_ipcbuf->recv_caps, 1);
    EXPECT(bh_notification_signal(BACK), OK);
    EXPECT(bh_notification_wait(NOTE, 0, &bits), OK);
    /* The slot is taken now: the next one stays where it is. */
    EXPECT(call(0, &m), OK);
    EXPECT(INFO_CAPS(m.info), 0);
    EXPECT(bh_ipcbuf->recv_caps, 0);
}

TEST(transfer, capability_without_a_slot_stays_with_the_sender)
{
    struct bh_msg m;

    start(0);
    bh_ipcbuf->caps[0] = BADGED;
    bh_ipcbuf->caps[1] = EP;
    EXPECT(call(2, &m), OK); /* none is offered */
    EXPECT(INFO_CAPS(server.got.info), 0);
    server.recv_slots[0] = IN;
    server.recv_slots[1] = POOL; /* taken */
    EXPECT(call(0, &m), OK);
    EXPECT(call(2, &m), OK);
    EXPECT(INFO_CAPS(server.got.info), 1);
    EXPECT(is_empty(IN), 0);
    server.recv_slots[0] = NO_SUCH_SLOT;
    EXPECT(call(0, &m), OK);
    EXPECT(call(1, &m), OK);
    EXPECT(INFO_CAPS(server.got.info), 0);
    EXPECT(is_empty(BADGED), 0);
}

TEST(transfer, refuses_capabilities_that_are_not_there_or_may_not_be_sent)
{
    struct bh_msg m;

    start(0);
    server.recv_slots[0] = IN;
    EXPECT(call(0, &m), OK);
    bh_ipcbuf->caps[0] = NO_SLOT;
    EXPECT(call(1, &m), ERR_CAP);
    bh_ipcbuf->caps[0] = NO_SUCH_SLOT;
    EXPECT(call(1, &m), ERR_CAP);
    bh_ipcbuf->caps[0] = 0;
    EXPECT(call(1, &m), ERR_CAP);
    bh_ipcbuf->caps[0] = BADGED;
    EXPECT(call(5, &m), ERR_ARG);
    m = (struct bh_msg){.info = INFO(4, 0, 0, 1)};
    EXPECT(bh_endpoint_call(EP_BADGED, bh_after_ms(2000), &m), ERR_RIGHT); /* no Grant */
    EXPECT(is_empty(IN), 1);
    kt_sleep_ms(3);
    EXPECT(server.rounds, 1);
}

TEST(transfer, untyped_moves)
{
    struct bh_msg m;

    start(0);
    server.recv_slots[0] = IN;
    EXPECT(call(0, &m), OK);
    EXPECT(kt_make(CAP_UNTYPED, 65536, MEMORY), OK);
    EXPECT(bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_4K, 1, CSPACE, FREE + 60), OK);
    bh_ipcbuf->caps[0] = MEMORY;
    EXPECT(call(1, &m), ERR_STATE); /* something was made from it */
    EXPECT(kt_revoke(MEMORY), OK);
    EXPECT(call(1, &m), OK);
    EXPECT(INFO_CAPS(server.got.info), 1);
    EXPECT(is_empty(MEMORY), 1);
    EXPECT(bh_untyped_retype(IN, CAP_FRAME, FRAME_4K, 16, CSPACE, FREE + 60), OK);
}

TEST(transfer, untyped_that_was_used_while_it_waited_stays)
{
    struct bh_msg m = {.info = INFO(0, 0, 0, 1)};

    start(0);
    EXPECT(bh_vcpu_suspend(kt_threads[0].vcpu), OK);
    /* The roles are changed: the thread sends, and this one receives. */
    EXPECT(kt_make(CAP_UNTYPED, 65536, MEMORY), OK);
    server.reply_caps[0] = MEMORY;
    server.recv_slots[0] = 0;
    kt_threads[0].ipcbuf->caps[0] = MEMORY;
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0, SYS_endpoint_send), OK);
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0 + 1, EP), OK);
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0 + 2, m.info), OK);
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_X0 + 9, BH_FOREVER), OK);
    uint64_t pc;
    EXPECT(bh_vcpu_read(kt_threads[0].vcpu, REG_PC, &pc), OK);
    EXPECT(bh_vcpu_write(kt_threads[0].vcpu, REG_PC, pc - 4), OK); /* the svc of its receive */
    EXPECT(bh_vcpu_resume(kt_threads[0].vcpu), OK);
    kt_sleep_ms(3);
    EXPECT(bh_untyped_retype(MEMORY, CAP_FRAME, FRAME_4K, 1, CSPACE, FREE + 60), OK);
    bh_ipcbuf->recv_slots[0] = IN;
    EXPECT(bh_endpoint_recv(EP, bh_after_ms(100), &m), OK);
    EXPECT(INFO_CAPS(m.info), 0);
    EXPECT(is_empty(IN), 1);
    EXPECT(is_empty(MEMORY), 0);
    bh_ipcbuf->recv_slots[0] = 0;
}
