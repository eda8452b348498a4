/*
 * Numbered frames through the sender of the C library, as servers have it in them.
 *
 *     sender TYPE unix PATH
 *     sender TYPE tcp ADDRESS PORT
 *
 * Reads counts from standard input, one a line; submits that many frames each time, waiting where the queue
 * is full, and prints how many it has submitted in all. The end of the input ends the stream.
 *
 * A frame is its number in eight bytes, most significant first, and as many bytes more as number % 500.
 */
#include <fstrm.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct fstrm_writer *unix_writer(const char *path, const struct fstrm_writer_options *options)
{
	struct fstrm_unix_writer_options *place = fstrm_unix_writer_options_init();
	fstrm_unix_writer_options_set_socket_path(place, path);
	struct fstrm_writer *writer = fstrm_unix_writer_init(place, options);
	fstrm_unix_writer_options_destroy(&place);
	return writer;
}

static struct fstrm_writer *tcp_writer(const char *address, const char *port,
				       const struct fstrm_writer_options *options)
{
	struct fstrm_tcp_writer_options *place = fstrm_tcp_writer_options_init();
	fstrm_tcp_writer_options_set_socket_address(place, address);
	fstrm_tcp_writer_options_set_socket_port(place, port);
	struct fstrm_writer *writer = fstrm_tcp_writer_init(place, options);
	fstrm_tcp_writer_options_destroy(&place);
	return writer;
}

static void submit(struct fstrm_iothr *iothr, struct fstrm_iothr_queue *queue, uint64_t number)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 };
	size_t len = 8 + number % 500;
	uint8_t *frame = malloc(len);
	if (frame == NULL)
		abort();
	memset(frame, 7, len);
	for (int at = 0; at < 8; at++)
		frame[at] = (uint8_t)(number >> (56 - 8 * at));
	fstrm_res res;
	while ((res = fstrm_iothr_submit(iothr, queue, frame, len, fstrm_free_wrapper, NULL)) == fstrm_res_again)
		nanosleep(&pause, NULL);
	if (res != fstrm_res_success)
		abort();
}

int main(int argc, char **argv)
{
	int is_unix = argc == 4 && strcmp(argv[2], "unix") == 0;
	int is_tcp = argc == 5 && strcmp(argv[2], "tcp") == 0;
	if (!is_unix && !is_tcp)
		return 2;
	struct fstrm_writer_options *options = fstrm_writer_options_init();
	fstrm_writer_options_add_content_type(options, argv[1], strlen(argv[1]));
	struct fstrm_writer *writer = is_unix ? unix_writer(argv[3], options)
					      : tcp_writer(argv[3], argv[4], options);
	fstrm_writer_options_destroy(&options);
	struct fstrm_iothr_options *manner = fstrm_iothr_options_init();
	fstrm_iothr_options_set_reopen_interval(manner, FSTRM_IOTHR_REOPEN_INTERVAL_MIN);
	struct fstrm_iothr *iothr = writer == NULL ? NULL : fstrm_iothr_init(manner, &writer);
	fstrm_iothr_options_destroy(&manner);
	if (iothr == NULL)
		return 1;
	struct fstrm_iothr_queue *queue = fstrm_iothr_get_input_queue(iothr);

	uint64_t count, next = 0;
	while (scanf("%" SCNu64, &count) == 1) {
		for (uint64_t end = next + count; next < end; next++)
			submit(iothr, queue, next);
		printf("%" PRIu64 "\n", next);
		fflush(stdout);
	}
	fstrm_iothr_destroy(&iothr);
	return 0;
}
