-- A dissector of HEP 3 for tshark, written from the protocol's description: chunks become fields, and
-- what a packet carries goes to tshark's own dissector of SIP.

local hep = Proto("hep", "HEP 3")
local kinds = {
    [1] = { "family", ftypes.UINT8 }, [2] = { "protocol", ftypes.UINT8 },
    [3] = { "source4", ftypes.IPv4 }, [4] = { "destination4", ftypes.IPv4 },
    [5] = { "source6", ftypes.IPv6 }, [6] = { "destination6", ftypes.IPv6 },
    [7] = { "source_port", ftypes.UINT16 }, [8] = { "destination_port", ftypes.UINT16 },
    [9] = { "seconds", ftypes.UINT32 }, [10] = { "microseconds", ftypes.UINT32 },
    [11] = { "type", ftypes.UINT8 }, [12] = { "agent", ftypes.UINT32 },
    [14] = { "key", ftypes.STRING }, [19] = { "node", ftypes.STRING },
}
local fields = {}
for kind, one in pairs(kinds) do
    fields[kind] = ProtoField.new(one[1], "hep." .. one[1], one[2])
end
local rest = ProtoField.new("rest", "hep.rest", ftypes.BYTES)
for _, field in pairs(fields) do table.insert(hep.fields, field) end
table.insert(hep.fields, rest)

function hep.dissector(data, packet, tree)
    if data(0, 4):string() ~= "HEP3" then return 0 end
    local branch = tree:add(hep, data())
    local place, size = 6, data(4, 2):uint()
    while place < size do
        local vendor, kind, length = data(place, 2):uint(), data(place + 2, 2):uint(), data(place + 4, 2):uint()
        if vendor == 0 and kind == 15 then
            Dissector.get("sip"):call(data(place + 6, length - 6):tvb(), packet, tree)
        elseif vendor == 0 and fields[kind] then
            branch:add(fields[kind], data(place + 6, length - 6))
        end
        place = place + length
    end
    if place < data:len() then branch:add(rest, data(place)) end
    return data:len()
end

DissectorTable.get("udp.port"):add(9060, hep)
