"""Short applications of generative adversarial nets, one file each, to be read in a lecture.

None is a part of the library's interface: import from the file, such as
`gencourse.gan.applications.watermark`. Data come from the caller.
"""
