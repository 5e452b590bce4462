/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_vinput.c - claims about the virtio input device: what a driver reads of it, and what a press brings
 *
 * links: services/vmm/vinput.c lib/virtio/vring.c lib/virtio/virtio_mmio.c
 * flags: -Iservices/vmm
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vinput.h"
#include "virtio_mmio_driver.h"

/* The event queue is where vring_driver.h has its one; the status queue lies behind it. */
#define STATUS_DESCRIPTORS (RAM_BASE + 0x4000)
#define STATUS_AVAIL (RAM_BASE + 0x5000)
#define STATUS_USED (RAM_BASE + 0x6000)
#define CONFIG 0x100u
enum { KEY_LEFTCTRL = 29, KEY_LEFTALT = 56, KEY_DELETE = 111, KEY_POWER = 116 };

static struct vinput input;
static uint32_t changes, buffers;
static volatile uint32_t shown[VIRTIO_MMIO_BYTES / 4];

static void changed(void *context)
{
    (void)context;
    changes++;
}

static void drive(void)
{
    driver_negotiate(0);
    buffers = 0;
    driver_queue(0, DESCRIPTORS, AVAIL, USED);
    driver_queue(1, STATUS_DESCRIPTORS, STATUS_AVAIL, STATUS_USED);
    driver_ok();
}

static int scene(void **state)
{
    (void)state;
    memset(&input, 0, sizeof input);
    interrupts = changes = 0;
    driven = &input.virtio;
    input.virtio.ram = &ram;
    input.virtio.interrupt = interrupt;
    input.virtio.shown = shown;
    input.changed = changed;
    vinput_init(&input);
    return 0;
}

/* One buffer more for events. */
static void give_buffer(void)
{
    uint16_t index = (uint16_t)(buffers++ % QUEUE_SIZE);

    descriptor(index, BUFFERS + 8ull * index, 8, VRING_WRITE, 0);
    make_available(index);
}

static void kick(uint32_t queue)
{
    mmio(0x50, queue);
}

/* The events that came since, in words: "116+ . 116- ." */
static uint16_t seen;
static const char *events(void)
{
    static char words[200];

    words[0] = 0;
    for (; seen != get16(USED + 2); seen++) {
        uint64_t element = USED + 4 + 8ull * (seen % QUEUE_SIZE);
        uint64_t buffer = BUFFERS + 8ull * get32(element);
        size_t length = strlen(words);

        assert_int_equal(get32(element + 4), 8);
        if (get16(buffer) == 0)
            snprintf(words + length, sizeof words - length, ". ");
        else
            snprintf(words + length, sizeof words - length, "%u%c ", get16(buffer + 2),
                     get32(buffer + 4) ? '+' : '-');
    }
    return words;
}

/* As a driver does it: it writes two bytes, and reads where it can see. */
static uint32_t config(uint8_t select, uint8_t subselect, uint8_t data[128])
{
    virtio_mmio_write(&input.virtio, CONFIG, 1, select);
    virtio_mmio_write(&input.virtio, CONFIG + 1, 1, subselect);
    memcpy(data, (const uint8_t *)(uintptr_t)shown + CONFIG + 8, 128);
    assert_int_equal(((const volatile uint8_t *)shown)[CONFIG + 2],
                     virtio_mmio_read(&input.virtio, CONFIG + 2, 1));
    return (uint32_t)virtio_mmio_read(&input.virtio, CONFIG + 2, 1);
}

static void it_says_which_keys_it_has(void **state)
{
    uint8_t data[128];

    (void)state;
    assert_int_equal(virtio_mmio_read(&input.virtio, 8, 4), 18);
    assert_int_equal(config(1, 0, data), strlen("Bulkhead power key"));
    assert_memory_equal(data, "Bulkhead power key", 18);
    assert_int_equal(config(3, 0, data), 8);
    assert_int_equal(config(0x11, 1, data), 15);
    for (uint32_t key = 0; key < 1024; key++)
        assert_int_equal(data[key / 8] >> key % 8 & 1,
                         key == KEY_POWER || key == KEY_DELETE || key == KEY_LEFTALT || key == KEY_LEFTCTRL);
    for (uint32_t select = 0; select < 256; select++)
        for (uint32_t subselect = 0; subselect < 256; subselect++)
            if (select != 1 && select != 3 && !(select == 0x11 && subselect == 1))
                assert_int_equal(config((uint8_t)select, (uint8_t)subselect, data), 0);
}

static void only_the_selection_can_be_written(void **state)
{
    uint8_t data[128];

    (void)state;
    assert_int_equal(config(1, 0, data), 18);
    for (uint32_t offset = 2; offset < 256; offset++)
        virtio_mmio_write(&input.virtio, CONFIG + offset, 1, 0xff);
    virtio_mmio_write(&input.virtio, CONFIG + 132, 8, ~0ull);
    assert_int_equal(virtio_mmio_read(&input.virtio, CONFIG + 2, 1), 18);
    assert_int_equal(virtio_mmio_read(&input.virtio, CONFIG + 8, 1), 'B');
    virtio_mmio_write(&input.virtio, CONFIG, 2, 0x0111); /* both at once */
    assert_int_equal(virtio_mmio_read(&input.virtio, CONFIG + 2, 1), 15);
}

static void a_press_is_a_key_down_and_up(void **state)
{
    (void)state;
    drive();
    seen = 0;
    assert_true(vinput_is_heard(&input));
    for (int i = 0; i < 6; i++)
        give_buffer();
    kick(0);
    vinput_press(&input, VINPUT_POWER);
    assert_string_equal(events(), "116+ . 116- . ");
    assert_int_equal(interrupts, 1);
}

static void ctrl_alt_del_waits_for_buffers(void **state)
{
    (void)state;
    drive();
    seen = 0;
    vinput_press(&input, VINPUT_REBOOT);
    assert_string_equal(events(), "");
    vinput_press(&input, VINPUT_POWER); /* the first is not over */
    for (int i = 0; i < 5; i++)
        give_buffer();
    kick(0);
    assert_string_equal(events(), "29+ . 56+ . 111+ ");
    for (int i = 0; i < 8; i++)
        give_buffer();
    kick(0);
    assert_string_equal(events(), ". 111- . 56- . 29- . ");
    vinput_press(&input, VINPUT_POWER);
    assert_string_equal(events(), "116+ ");
}

static void without_a_driver_nothing_is_pressed(void **state)
{
    (void)state;
    vinput_press(&input, VINPUT_POWER);
    assert_false(vinput_is_heard(&input));
    drive();
    seen = 0;
    assert_int_equal(changes, 2); /* a reset, and DRIVER_OK */
    give_buffer();
    kick(0);
    assert_string_equal(events(), "");
    vinput_press(&input, VINPUT_POWER);
    mmio(0x70, 0); /* what it had not taken goes with the reset */
    assert_int_equal(changes, 3);
    drive();
    seen = 0;
    give_buffer();
    kick(0);
    assert_string_equal(events(), "");
}

static void leds_are_taken_and_mean_nothing(void **state)
{
    struct vring_descriptor led = {BUFFERS, 8, 0, 0};

    (void)state;
    drive();
    memcpy(at(STATUS_DESCRIPTORS), &led, sizeof led);
    put16(STATUS_AVAIL + 4, 0);
    put16(STATUS_AVAIL + 2, 1);
    kick(1);
    assert_int_equal(get16(STATUS_USED + 2), 1);
    assert_int_equal(get32(STATUS_USED + 8), 0);
    assert_true(virtio_mmio_is_live(&input.virtio));
}

static void a_buffer_that_is_too_small_breaks_the_device(void **state)
{
    (void)state;
    drive();
    descriptor(0, BUFFERS, 7, VRING_WRITE, 0);
    make_available(0);
    vinput_press(&input, VINPUT_POWER);
    assert_false(vinput_is_heard(&input));
    drive();
    descriptor(0, BUFFERS, 8, 0, 0); /* not writable */
    make_available(0);
    vinput_press(&input, VINPUT_REBOOT);
    assert_false(vinput_is_heard(&input));
}

#define TEST(name) cmocka_unit_test_setup(name, scene)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_says_which_keys_it_has),
        TEST(only_the_selection_can_be_written),
        TEST(a_press_is_a_key_down_and_up),
        TEST(ctrl_alt_del_waits_for_buffers),
        TEST(without_a_driver_nothing_is_pressed),
        TEST(leds_are_taken_and_mean_nothing),
        TEST(a_buffer_that_is_too_small_breaks_the_device),
    };

    return cmocka_run_group_tests_name("vinput", tests, NULL, NULL);
}
