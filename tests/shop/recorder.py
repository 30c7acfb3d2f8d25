"""Keeps a copy of what a host sends and receives:  recorder.py INTERFACE FILE"""
import socket
import sys

ALL_PROTOCOLS = 3

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(ALL_PROTOCOLS))
wire.bind((sys.argv[1], 0))
with open(sys.argv[2], "wb", buffering=0) as file:
    while True:
        file.write(wire.recv(1 << 16))
